"""Where the time goes: every moment and every product of a call belongs to one part, and NumPy is left as it was."""

import numpy as np
import parts as module
from parts import Part, main, parts_of, rows_of

from backprop import Network, blas, zero_inputs
from backprop.bench.scenarios import Scenario
from backprop.layers import linear

SMALL = Network.mlp(49, 8, 10)
LARGE = Network.mlp(784, 256, 10)  # whose zero inputs are left out


def test_the_products_of_all_parts_are_those_of_the_network():
    parts = parts_of("short-form-dense", Scenario.of(SMALL, 16, "float64"), "sample", 0)
    products = 2 * 16 * (2 * 49 * 8 + 3 * 8 * 10) + 2 * 16 * (8 + 10)  # the last are the sums of both biases
    assert sum(part.flops for part in parts.values()) == products
    phases = {phase for phase, _ in parts}
    assert {"call", "forward, linear 49-8", "backward, relu 8-8", "loss, softmax-cross-entropy"} <= phases
    assert all(part.ns > 0 for part in parts.values())


def test_inputs_that_are_left_out_are_parts_of_their_own_and_save_products():
    scenario = Scenario.of(LARGE, 160, "float32")
    with blas.limited_to(1):  # beside more threads no input is left out
        sparse, dense = (parts_of(name, scenario, "sample", 0) for name in ("short-form", "short-form-dense"))
    phases = {phase for phase, _ in sparse}
    for way in ("often", "rarely"):
        for direction in ("forward", "backward"):
            assert f"{direction}, linear 784-256, inputs used {way}" in phases
    flops = [sum(part.flops for part in parts.values()) for parts in (sparse, dense)]
    assert flops[0] < 0.8 * flops[1]


def test_a_product_in_tiles_counts_as_the_whole_one(monkeypatch):
    monkeypatch.setattr(blas, "leaves_small_products_unpacked", lambda: True)
    with blas.limited_to(1):
        counted = [
            sum(
                part.flops
                for part in parts_of(
                    "short-form-dense", Scenario.of(LARGE, n, "float32"), "sample", 0
                ).values()
            )
            for n in (32, 64)
        ]
    assert 2 * counted[0] == counted[1]


def test_after_it_numpy_is_numpy_again():
    parts_of("short-form", Scenario.of(SMALL, 4, "float64"), "sample", 0)
    assert zero_inputs.np is linear.np is np


def test_a_row_says_the_share_of_the_call_and_of_the_machine():
    parts = {
        ("a", "products"): Part(3000, 6000, 1500),
        ("b", "sums"): Part(980, 0, 490),
        ("c", "sums"): Part(20),
    }
    first, second, small, call = rows_of(parts, 4e9, 1e9)
    assert (first["part"], first["share"]) == ("a: products", "75%")
    assert (first["of a product's speed"], first["of a copy's speed"]) == ("50%", "50%")
    assert (second["of a product's speed"], second["MFLOP"]) == ("-", "-")
    assert small["part"] == "all smaller parts"
    assert (call["time"], call["share"]) == ("4 µs", "100%")


def test_the_tables_are_printed_and_written(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "fix_threads", lambda threads: [])
    monkeypatch.setattr(module, "_SECONDS", 0)
    main(["--batch", "2", "--strategy", "short-form-dense", "--out", str(tmp_path / "parts.md")])
    text = (tmp_path / "parts.md").read_text(encoding="utf-8")
    assert text.startswith("`short-form-dense`, 784-512-10, batch 2, float32, threads: 1:\n\n| part | time |")
    assert text.strip() == capsys.readouterr().out.strip()
