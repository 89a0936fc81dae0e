"""The same numbers in torch and in llama.cpp's server, and the same text from the template as in training."""

import json
import random
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra `nano` is not installed")
pytest.importorskip("gguf", reason="the extra `nano` is not installed")
pytest.importorskip("tokenizers", reason="the extra `nano` is not installed")
pytest.importorskip("xllamacpp", reason="the extra `local` is not installed")

from nano import evaluate, export, render, tokens  # noqa: E402
from nano.environment import Environment  # noqa: E402
from nano.language import make_job  # noqa: E402
from nano.network import Network  # noqa: E402
from nano.serve import served  # noqa: E402
from nano.shape import Shape  # noqa: E402

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(1)
    made = Network(Shape(n_vocab=export.stored_vocabulary_size()), 512).eval()
    for parameter in made.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.12)
            parameter.data = parameter.data.half().float()
    return made


@pytest.fixture(scope="module")
def url(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path: Path = tmp_path_factory.mktemp("nano") / "parity.gguf"
    export.write(path, network.shape, network.weights(), name="parity", vocabulary=tokens.STORED)
    with served(path) as address:
        yield address


def log_probabilities(url: str, ids: list[int]) -> dict[int, float]:
    settings = {
        "temperature": 1.0,
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "samplers": [],
        "cache_prompt": False,
    }
    for seed in range(40):  # a sampled token that is half a character comes back without probabilities
        body = {"prompt": ids, "n_predict": 1, "n_probs": 768, "seed": seed, **settings}
        request = urllib.request.Request(url + "/completion", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer).get("completion_probabilities")
        if found:
            return {entry["id"]: entry["logprob"] for entry in found[0]["top_logprobs"]}
    raise AssertionError("the server gave no probabilities in 40 tries")


@pytest.mark.parametrize("length", [1, 7, 64, 300])
def test_llama_cpp_computes_what_torch_computes(network: Any, url: str, length: int) -> None:
    plain = network.shape.n_vocab - len(tokens.SPECIALS)
    ids = torch.randint(0, plain, (1, length), generator=torch.Generator().manual_seed(length))
    with torch.no_grad():
        logits = network(ids, torch.ones_like(ids, dtype=torch.bool))
    expected = torch.log_softmax(logits[-1].float(), -1)
    found = log_probabilities(url, ids[0].tolist())
    assert len(found) > 700
    assert max(found, key=found.__getitem__) == int(expected.argmax())
    assert max(abs(value - float(expected[key])) for key, value in found.items()) < 0.05


def test_the_template_makes_the_text_that_was_trained_on_and_the_server_splits_it_alike(url: str) -> None:
    client, encoder = evaluate.Client(url), tokens.encoder()
    for seed in range(10):
        job = make_job(random.Random(seed), 3, "held_out")
        question = evaluate.transcript_question(job, random.Random(seed), 3)
        prompt = client.post("/apply-template", {"messages": question.messages, "tools": question.tools})[
            "prompt"
        ]
        parts = render.transcript(random.Random(seed), job, busy_rate=0.0, split="held_out")
        assert prompt == "".join(text for text, _ in parts[:8])
        told = client.post("/tokenize", {"content": prompt, "parse_special": True})["tokens"]
        assert told == encoder.encode(prompt, add_special_tokens=False).ids


def test_the_step_form_is_the_one_that_was_trained_on(url: str) -> None:
    client = evaluate.Client(url)
    job = make_job(random.Random(5), 1, "held_out")
    question = evaluate.step_question(job, random.Random(5), 1)
    prompt = client.post("/apply-template", {"messages": question.messages, "tools": question.tools})[
        "prompt"
    ]
    system = render.system_text(question.messages[0]["content"], job.tools)
    assert prompt == system + render.user_text(question.messages[1]["content"]) + render.ASSISTANT
    assert Environment(job, random.Random(0)).is_expected(question.tool, question.arguments)
