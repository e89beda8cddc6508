"""The two user interfaces on loopback: Dagster with its daemon, and MLflow. They start and stop together."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from gnosis_dagster.settings import Settings

HOST = "127.0.0.1"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
END_TIMEOUT_S = 5.0
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WORKSPACE = Path(__file__).resolve().parents[1] / "workspace.yaml"


def serve(settings: Settings, console: Console, dagster_port: int, mlflow_port: int) -> int:
    """Start both servers, print their addresses and wait until one of them ends or the user interrupts.

    Returns
    -------
    int
        0 after an interrupt, 1 when a server could not start or ended by itself, 2 when a port is taken.
    """
    from gnosis_dagster.home import open_home
    from resources.tracking import Tracking

    for name, port, option in (("Dagster", dagster_port, "--port"), ("MLflow", mlflow_port, "--mlflow-port")):
        if _answers(port) or (option == "--mlflow-port" and port == dagster_port):
            print(f"gnosis: port {port} for {name} is taken; choose another with {option}", file=sys.stderr)
            return 2
    with open_home(settings):
        pass
    store = Tracking(home=settings.home, uri=settings.mlflow_tracking_uri)
    store.create()
    python = sys.executable
    commands = {
        f"Dagster  http://{HOST}:{dagster_port}": (
            dagster_port,
            [python, "-m", "dagster", "dev", "-w", str(WORKSPACE), "-h", HOST, "-p", str(dagster_port)],
        )
    }
    if settings.mlflow_tracking_uri is None:
        artifacts = (settings.home / "mlartifacts").as_uri()
        mlflow = [python, "-m", "mlflow", "server", "--backend-store-uri", store.address]
        mlflow += ["--default-artifact-root", artifacts, "--host", HOST, "--port", str(mlflow_port), "--workers", "1"]
        commands[f"MLflow   http://{HOST}:{mlflow_port}"] = (mlflow_port, mlflow)
    environment = {**os.environ, "GNOSIS_HOME": str(settings.home)}  # absolute: the servers run in another folder
    environment |= {
        "GNOSIS_DAGSTER_URL": f"http://{HOST}:{dagster_port}",
        "GNOSIS_MLFLOW_URL": f"http://{HOST}:{mlflow_port}",
    }
    if settings.files is not None:
        environment["GNOSIS_FILES"] = str(settings.files)
    log = settings.home / "servers.log"
    for interrupt in INTERRUPTS:
        signal.signal(interrupt, signal.default_int_handler)
    processes: list[subprocess.Popen[bytes]] = []
    with log.open("ab") as output:
        try:
            for _, command in commands.values():
                # Each in a session of its own: Ctrl-C reaches it through _stop only, and all its children can be found.
                processes.append(
                    subprocess.Popen(
                        command,
                        env=environment,
                        stdout=output,
                        stderr=output,
                        cwd=WORKSPACE.parent,
                        start_new_session=True,
                    )
                )
            return _watch(console, commands, processes, log)
        except KeyboardInterrupt:
            console.print("stopping")
            return 0
        finally:
            _stop(processes)


def _watch(
    console: Console, commands: dict[str, tuple[int, list[str]]], processes: list[subprocess.Popen[bytes]], log: Path
) -> int:
    waiting = {address: port for address, (port, _) in commands.items()}
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        for process in processes:
            if process.poll() is not None:
                print(f"gnosis: a server ended with status {process.returncode}; see {log}", file=sys.stderr)
                return 1
        for address in [address for address, port in waiting.items() if _answers(port)]:
            console.print(address)
            del waiting[address]
            if not waiting:
                console.print(f"Schedules run while this does. Log: {log}. Ctrl-C stops both.")
        if waiting and time.monotonic() > deadline:
            late = ", ".join(waiting)
            print(f"gnosis: {late} did not answer within {START_TIMEOUT_S:.0f} s; see {log}", file=sys.stderr)
            return 1
        time.sleep(0.5)


def _answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ask both servers to stop, then end whatever of their sessions is still there: code servers, runs, job runners."""
    for interrupt in INTERRUPTS:
        signal.signal(interrupt, signal.SIG_IGN)
    for number, process in enumerate(processes):
        if number == 0 and process.poll() is None:
            process.send_signal(signal.SIGINT)  # dagster dev ends its services in order
        else:
            _signal_session(process, signal.SIGTERM)  # MLflow waits for its children and does not tell them
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
    for stop in (signal.SIGTERM, signal.SIGKILL):
        remaining = [process for process in processes if _signal_session(process, stop)]
        deadline = time.monotonic() + END_TIMEOUT_S
        while time.monotonic() < deadline and any(_signal_session(process, 0) for process in remaining):
            time.sleep(0.1)


def _signal_session(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to what is left of a server and its children; return False when nothing is."""
    process.poll()
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
