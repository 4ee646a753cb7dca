"""Settings: defaults, layers, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parallel_runner.errors import ConfigError, UsageError
from parallel_runner.settings.catalogue import FILES, IN_FORCE, Settings, entries, value_of
from parallel_runner.settings.load import load, load_cached
from parallel_runner.settings.render import render_file
from parallel_runner.settings.units import MAX_SECONDS, duration_of, parse_size, share_of, size_of

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", FILES)
def test_shipped_files_say_the_defaults(name: str) -> None:
    assert (CHECKOUT / "config" / name).read_text() == render_file(name)


def test_shipped_files_load_as_the_defaults(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).write_text(render_file(name))
    loaded = load(str(tmp_path), {})
    assert loaded.settings == Settings()
    assert set(loaded.sources) == set(entries())


def test_every_key_has_a_meaning() -> None:
    assert [key for key, entry in entries().items() if not entry.description] == []
    assert set(entries()) >= IN_FORCE


def write(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)


KEY = "parallelization.global_settings.max_total_instances"
VARIABLE = "PARALLEL_RUNNER__" + KEY.upper().replace(".", "__")


def test_layers_in_their_order(tmp_path: Path) -> None:
    text = "parallelization: {{global_settings: {{max_total_instances: {}}}}}\n"
    seen = [load(str(tmp_path), {})]
    write(tmp_path, "parallel-config.yaml", text.format(11))
    seen.append(load(str(tmp_path), {}))
    write(tmp_path, "overrides.yaml", text.format(12))
    seen.append(load(str(tmp_path), {}))
    seen.append(load(str(tmp_path), {VARIABLE: "13"}))
    seen.append(load(str(tmp_path), {VARIABLE: "13"}, {KEY: 14}))
    assert [value_of(one.settings, KEY) for one in seen] == [100, 11, 12, 13, 14]
    assert [one.source_of(KEY).rsplit("/", 1)[-1] for one in seen] == [
        "built-in",
        "parallel-config.yaml:1",
        "overrides.yaml:1",
        VARIABLE,
        "command line",
    ]


def problems(tmp_path: Path, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path), environ)
    assert caught.value.exit_code == 105
    return [str(one) for one in caught.value.problems]


def test_all_mistakes_of_all_files_at_once(tmp_path: Path) -> None:
    write(tmp_path, "parallel-config.yaml", "parallelization:\n  global_settings:\n    max_total_instance: 5\n")
    write(tmp_path, "performance-config.yaml", "performance_tuning: {thresholds: {max_cpu_usage: 130%}}\n")
    write(tmp_path, "scaling-strategy.yaml", "progressive_scaling: [\n")
    write(tmp_path, "resource-limits.yaml", "command_policy: {}\nresource_limits: {journal: {durability: maybe}}\n")
    told = problems(tmp_path, PARALLEL_RUNNER__NO__SUCH="1")
    assert len(told) == 6
    assert any("parallel-config.yaml:3" in one and "did you mean 'max_total_instances'" in one for one in told)
    assert any("performance-config.yaml:1" in one and "expected share" in one for one in told)
    assert any("scaling-strategy.yaml" in one and "is no YAML" in one for one in told)
    assert any("durability" in one for one in told)


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "parallelization: 3",
        "parallelization: {global_settings: {max_total_instances: true}}",
        "parallelization: {global_settings: {max_total_instances: 0}}",
        "a: &a [*a]",
        "\t",
        "!x y",
    ],
)
def test_rubbish_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, "parallel-config.yaml", text)
    assert problems(tmp_path)


def test_min_above_max_is_refused(tmp_path: Path) -> None:
    text = "adaptive_optimization: {strategies: {batch_optimization: {min_batch_size: 40}}}"
    write(tmp_path, "optimization-settings.yaml", text)
    assert "more than max_batch_size" in problems(tmp_path)[0]


def test_learned_values_are_bounded_and_refused_whole(tmp_path: Path) -> None:
    learned = "performance_tuning: {{thresholds: {{min_throughput: {}{}}}}}"
    write(tmp_path, "learned.yaml", learned.format(150, ""))
    key = "performance_tuning.thresholds.min_throughput"
    assert value_of(load(str(tmp_path), {}).settings, key) == 150
    write(tmp_path, "learned.yaml", learned.format(350, ""))
    assert "not within 0.5 to 2 times" in problems(tmp_path)[0]
    write(tmp_path, "learned.yaml", learned.format(150, ", max_error_rate: 0.5"))
    assert "may not be learned" in problems(tmp_path)[0]


def test_cache_follows_the_files_and_survives_rubbish(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    text = "parallelization: {{global_settings: {{max_total_instances: {}}}}}\n"
    write(tmp_path, "overrides.yaml", text.format(7))
    for _ in range(2):
        loaded = load_cached(str(tmp_path), {}, cache)
        assert value_of(loaded.settings, KEY) == 7
        assert loaded.source_of(KEY).endswith("overrides.yaml:1")
    write(tmp_path, "overrides.yaml", text.format(88))
    assert value_of(load_cached(str(tmp_path), {}, cache).settings, KEY) == 88
    Path(cache).write_bytes(b"\xff" * 40)
    assert value_of(load_cached(str(tmp_path), {}, cache).settings, KEY) == 88
    assert value_of(load_cached(str(tmp_path), {VARIABLE: "9"}, cache).settings, KEY) == 9


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(30, 30), ("30", 30), ("2.5s", 2.5), ("5min", 300), ("1h30m", 5400), ("500ms", 0.5), ("1d", 86400)],
)
def test_durations(text: object, seconds: float) -> None:
    assert duration_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [(5, 5), ("64K", 65536), ("1.5M", 1572864), ("2GB", 2 * 10**9), ("1KiB", 1024)]
)
def test_sizes(text: object, size: int) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("value", [None, True, -1, "", "5x", "1h-", [], {}, "nan", "1e9s", "- 3"])
def test_what_is_neither(value: object) -> None:
    assert duration_of(value) is None
    assert size_of(value) is None
    assert share_of(value) is None


@pytest.mark.parametrize("value", [2**63, "9000000T", "9" * 400, "9" * 20, "9" * 400 + "K"])
def test_sizes_that_nothing_can_hold_are_none(value: object) -> None:
    assert size_of(value) is None
    assert size_of(2**63 - 1) == size_of(str(2**63 - 1)) == 2**63 - 1


@pytest.mark.parametrize(
    "value", [10**10, float("inf"), float("nan"), 10**400, "9" * 400, "9999999d", "1" + "0" * 400 + "h"]
)
def test_durations_beyond_all_measure_are_none(value: object) -> None:
    assert duration_of(value) is None
    assert duration_of("109500d") == MAX_SECONDS


@pytest.mark.parametrize("text", ["99999999999T", "9" * 5000, "\u00b2", "-1"])
def test_a_size_on_the_command_line_that_is_none_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="--memory"):
        parse_size(text, "--memory")


@given(st.one_of(st.text(), st.floats(), st.integers(), st.booleans(), st.none()))
def test_units_never_raise(value: object) -> None:
    for read in (duration_of, size_of, share_of):
        result = read(value)
        assert result is None or result >= 0
