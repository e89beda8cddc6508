"""The two user interfaces on loopback: Dagster with its daemon, and MLflow. They start and stop together."""

from __future__ import annotations

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

    for name, port in (("Dagster", dagster_port), ("MLflow", mlflow_port)):
        if _answers(port):
            console.print(f"gnosis: port {port} for {name} is taken; choose another with --port or --mlflow-port")
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
    log = settings.home / "servers.log"
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    with log.open("ab") as output:
        processes = [
            subprocess.Popen(command, env=os.environ, stdout=output, stderr=output, cwd=WORKSPACE.parent)
            for _, command in commands.values()
        ]
        try:
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
                console.print(f"gnosis: a server ended with status {process.returncode}; see {log}")
                return 1
        for address in [address for address, port in waiting.items() if _answers(port)]:
            console.print(address)
            del waiting[address]
            if not waiting:
                console.print(f"Schedules run while this does. Log: {log}. Ctrl-C stops both.")
        if waiting and time.monotonic() > deadline:
            console.print(f"gnosis: {', '.join(waiting)} did not answer within {START_TIMEOUT_S:.0f} s; see {log}")
            return 1
        time.sleep(0.5)


def _answers(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for process in processes:
        try:
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
