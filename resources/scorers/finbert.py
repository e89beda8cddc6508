"""FinBERT (Araci 2019) from a local folder, run by onnxruntime on one thread."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnosis.engines.scoring import normalise
from resources.scorers.errors import ScorerError

MODEL, CONFIG = "model.onnx", "config.json"
TOKENIZERS = ("tokenizer.json", "vocab.txt")
LABELS = ("positive", "negative", "neutral")
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
MAX_TOKENS = 512
_PUT_THERE = "put the model as exported to ONNX there, or unset the folder to score with word lists"


class FinbertScorer:
    """Scores texts with a FinBERT classifier; :func:`load_finbert` makes one.

    Texts go through the network one at a time, the shortest first: so the row of a text does not depend, in any bit,
    on what else was scored with it.

    Parameters
    ----------
    session
        ``onnxruntime.InferenceSession``.
    tokenizer
        ``tokenizers.Tokenizer`` that truncates by itself.
    order
        Positions of positive, negative and neutral among the outputs.
    content_hash
        Hash of the files.
    source
        Folder, for messages.
    """

    name = "finbert"

    def __init__(self, session: Any, tokenizer: Any, order: Sequence[int], content_hash: str, source: Path) -> None:
        self.content_hash = content_hash
        self._session = session
        self._tokenizer = tokenizer
        self._order = list(order)
        self._source = source
        self._inputs = [node.name for node in session.get_inputs()]
        outputs = [node.name for node in session.get_outputs()]
        self._output = "logits" if "logits" in outputs else outputs[0]

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return (n, 3) probabilities that each text is positive, negative and neutral.

        Raises
        ------
        ScorerError
            When the network does not take the tokens or does not return three numbers for a text.
        """
        encodings = [self._tokenizer.encode(normalise(text)) for text in texts]
        logits = np.empty((len(encodings), len(LABELS)))
        for at in sorted(range(len(encodings)), key=lambda at: (len(encodings[at].ids), at)):
            logits[at] = self._logits(encodings[at])
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (weights / weights.sum(axis=1, keepdims=True))[:, self._order]

    def _logits(self, encoding: Any) -> NDArray[np.float64]:
        given = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask}
        given["token_type_ids"] = encoding.type_ids
        feed = {name: np.array([given[name]], dtype=np.int64) for name in self._inputs}
        try:
            found = np.asarray(self._session.run([self._output], feed)[0], dtype=np.float64)
        except _onnx_errors() as error:
            raise ScorerError(
                f"{self._source / MODEL}: expected a network that takes int64 tokens of shape "
                f"{(1, len(encoding.ids))}, found: {error}; export it together with its tokenizer"
            ) from error
        if found.shape != (1, len(LABELS)) or not np.isfinite(found).all():
            raise ScorerError(
                f"{self._source / MODEL}: expected {len(LABELS)} finite numbers for one text in {self._output!r}, "
                f"found shape {found.shape}; export a sequence classifier of three labels"
            )
        return found[0]


def load_finbert(folder: Path | str) -> FinbertScorer:
    """Return a scorer from ``model.onnx``, ``config.json`` and ``tokenizer.json`` or ``vocab.txt`` in a folder.

    Texts longer than 512 tokens, or than the model's own positions, are cut there. The order of the labels is read
    from ``id2label`` of the configuration. One text is scored to see that the parts fit together.

    Parameters
    ----------
    folder
        Where the operator put the model.

    Raises
    ------
    ScorerError
        When the folder, a file or a package is missing, or a file is not what it should be.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ScorerError(f"FinBERT: expected a folder at {folder}, found none; {_PUT_THERE}")
    tokenizer_file = next((name for name in TOKENIZERS if (folder / name).is_file()), None)
    missing = [name for name in (MODEL, CONFIG) if not (folder / name).is_file()]
    if tokenizer_file is None:
        missing.append(" or ".join(TOKENIZERS))
    if missing or tokenizer_file is None:
        found = sorted(path.name for path in folder.iterdir())
        raise ScorerError(f"FinBERT: expected {', '.join(missing)} in {folder}, found {found}; {_PUT_THERE}")
    config = _config(folder / CONFIG)
    session = _session(folder / MODEL)
    scorer = FinbertScorer(
        session,
        _tokenizer(folder / tokenizer_file, _longest(config), _fixed_length(folder / MODEL, session)),
        _order(folder / CONFIG, config),
        _content_hash(folder, tokenizer_file),
        folder,
    )
    scorer.score(["profit rose"])
    return scorer


def _config(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ScorerError(f"{path}: expected JSON, found: {error}; take the config.json of the model") from error
    if not isinstance(config, dict):
        raise ScorerError(f"{path}: expected an object, found {type(config).__name__}; take the model's config.json")
    return config


def _longest(config: Mapping[str, Any]) -> int:
    positions = config.get("max_position_embeddings")
    return min(MAX_TOKENS, positions) if isinstance(positions, int) and positions > 0 else MAX_TOKENS


def _order(path: Path, config: Mapping[str, Any]) -> list[int]:
    found = config.get("id2label")
    labels = {str(label).lower(): str(position) for position, label in found.items()} if isinstance(found, dict) else {}
    positions = [labels.get(label, "") for label in LABELS]
    if sorted(positions) != ["0", "1", "2"] or len(labels) != len(LABELS):
        raise ScorerError(
            f"{path}: expected 'id2label' with the positions 0, 1, 2 of {', '.join(LABELS)}, found {found}; write "
            "there which output of the model means what"
        )
    return [int(position) for position in positions]


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ScorerError(
            "FinBERT: expected the packages onnxruntime and tokenizers, found them not installed; install "
            "'gnosis[finbert]' or unset the folder to score with word lists"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _onnx_errors() as error:
        raise ScorerError(f"{path}: expected a model in ONNX form, found: {error}; export it again") from error
    names = {node.name: node.type for node in session.get_inputs()}
    if "input_ids" not in names or set(names) - set(INPUTS) or set(names.values()) != {"tensor(int64)"}:
        raise ScorerError(
            f"{path}: expected int64 inputs among {', '.join(INPUTS)}, found {names}; export a BERT sequence classifier"
        )
    return session


def _onnx_errors() -> tuple[type[Exception], ...]:
    """Return the errors of onnxruntime, which have no class in common."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.Fail,
        state.InvalidArgument,
        state.InvalidGraph,
        state.InvalidProtobuf,
        state.NotImplemented,
        state.RuntimeException,
    )


def _fixed_length(path: Path, session: Any) -> int | None:
    """Return the length of texts that the network was exported for, None for any."""
    shape = next(list(node.shape) for node in session.get_inputs() if node.name == "input_ids")
    if len(shape) != 2 or (isinstance(shape[0], int) and shape[0] != 1):
        raise ScorerError(
            f"{path}: expected input_ids of shape (batch, tokens), found {shape}; export it with a dynamic batch"
        )
    return shape[1] if isinstance(shape[1], int) else None


def _tokenizer(path: Path, longest: int, fixed: int | None) -> Any:
    import tokenizers

    vocabulary = _vocabulary(path)
    if missing := [token for token in SPECIAL_TOKENS if token not in vocabulary]:
        raise ScorerError(
            f"{path}: expected the tokens {', '.join(SPECIAL_TOKENS)}, found no {', '.join(missing)} among "
            f"{len(vocabulary)}; take the file that came with the model"
        )
    if path.suffix == ".txt":
        tokenizer = tokenizers.BertWordPieceTokenizer(vocabulary, lowercase=True)
    else:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(min(longest, fixed or longest))
    tokenizer.no_padding()
    if fixed is not None:
        tokenizer.enable_padding(length=fixed, pad_id=vocabulary["[PAD]"])
    return tokenizer


def _vocabulary(path: Path) -> dict[str, int]:
    """Return the number of each token."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScorerError(
            f"{path}: expected text in UTF-8, found: {error}; take the file that came with the model"
        ) from error
    if path.suffix == ".txt":
        return {token: number for number, token in enumerate(text.rstrip("\n").replace("\r\n", "\n").split("\n"))}
    try:
        model = json.loads(text)["model"]
        kind, vocabulary = model["type"], dict(model["vocab"])
    except (ValueError, TypeError, KeyError) as error:
        raise ScorerError(
            f"{path}: expected a tokenizer with a WordPiece model, found: {error!r}; take the tokenizer.json of "
            "the model"
        ) from error
    if kind != "WordPiece":
        raise ScorerError(f"{path}: expected a WordPiece model, found {kind!r}; take the tokenizer.json of the model")
    return vocabulary


def _content_hash(folder: Path, tokenizer_file: str) -> str:
    """Return the SHA-256 over names and contents of the model with its weights, the tokenizer and the configuration."""
    digest = hashlib.sha256()
    weights = sorted(path.name for path in folder.glob(f"{MODEL}*"))
    for name in (*weights, tokenizer_file, CONFIG):
        with (folder / name).open("rb") as content:
            digest.update(f"{name}\n{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
