"""What figures plot equals a recomputation in NumPy."""

import itertools

import numpy as np
import pytest

from rgf_keras.figures import copying, images, rejection, scores

RNG = np.random.default_rng(0)
SCORE = RNG.normal(size=400) * 20
RHO = RNG.uniform(0.5, 1.5, 400)
LOG_PROB = RNG.normal(size=400) * 9 - 90
HIGH = np.quantile(SCORE, 0.95) < SCORE


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """A function that makes a figure and returns its axes."""

    def draw(plot, *arguments):
        kept = []
        for module in (scores, rejection, copying):
            save = lambda axis, path: kept.append(axis.get_figure()) or path  # noqa: E731
            monkeypatch.setattr(module, "save", save)
        plot(tmp_path / "x.png", *arguments)
        return kept[0].axes

    return draw


def heights(axis):
    return np.array([patch.get_height() for patch in axis.patches])


def test_figure_3_has_the_share_of_highly_memorized_images_and_their_counts(drawn):
    pictures = RNG.integers(0, 256, (400, 4, 4, 1)).astype(np.uint8)
    _, below, examples = drawn(scores.plot_log_prob, LOG_PROB, HIGH, pictures)
    edges = np.histogram_bin_edges(LOG_PROB, 40)
    every = np.histogram(LOG_PROB, edges)[0]
    memorized = np.histogram(LOG_PROB[HIGH], edges)[0]
    filled = every > 0
    np.testing.assert_allclose(heights(below), memorized[filled] / every[filled])
    labels = [text.get_text() for text in below.texts]
    assert labels == [str(n) if n else "" for n in memorized[filled]]
    (shown,) = examples.get_images()
    lowest = np.flatnonzero(HIGH)[np.argmin(LOG_PROB[HIGH])]
    np.testing.assert_array_equal(shown.get_array()[2:6, 2:6, 0], pictures[lowest, ..., 0])


def test_figure_4_has_all_runs_and_the_95_percent_lines(drawn):
    runs = {"a": {0.95: {5: 1.0, 10: 2.0}, 0.999: {5: 3.0, 10: 4.0}}, "b": {0.95: {5: 0.0}}}
    (axis,) = drawn(scores.plot_quantiles_of_runs, runs)
    lines = {line.get_label(): line.get_ydata() for line in axis.lines}
    assert {name: list(y) for name, y in lines.items()} == {
        "a, 0.95 quantile": [1.0, 2.0],
        "a, 0.999 quantile": [3.0, 4.0],
        "b, 0.95 quantile": [0.0],
    }
    (axis,) = drawn(scores.plot_densities, {"a": SCORE, "b": SCORE + 5})
    assert [line.get_xdata()[0] for line in axis.lines] == pytest.approx(
        [np.quantile(SCORE, 0.95), np.quantile(SCORE, 0.95) + 5]
    )
    (axis,) = drawn(scores.plot_losses_of_runs, {"a": {"held out": [-3.0, -2.0]}})
    assert axis.lines[0].get_ydata().tolist() == [3.0, 2.0]


def test_figure_5_has_bins_of_one_width_and_both_densities(drawn):
    left, right = drawn(scores.plot_neighbour_ratio, SCORE, RHO)
    edges = np.linspace(SCORE.min(), SCORE.max(), 21)
    expected = []
    for low, top in itertools.pairwise(edges):
        inside = (low <= SCORE) & ((top > SCORE) | (top == edges[-1]))
        if inside.sum() > 1:
            expected.append(((low + top) / 2, RHO[inside].mean()))
    points = left.containers[0].lines[0]
    np.testing.assert_allclose(np.stack(points.get_data(), axis=1), expected)
    bins = np.histogram_bin_edges(RHO, 40)
    both = [np.histogram(RHO[rows], bins, density=True)[0] for rows in (~HIGH, HIGH)]
    np.testing.assert_allclose(heights(right), np.concatenate(both))


def test_figure_1_has_densities_of_every_threshold(drawn):
    near, far, test = RNG.uniform(size=50), RNG.uniform(1, 2, 60), RNG.uniform(0.5, 1, 70)
    (axis,) = drawn(copying.plot_spectrum, {"none": near, "auto": far}, test)
    edges = np.histogram_bin_edges(np.concatenate([test, near, far]), 60)
    drawn_edges = axis.patches[0].get_data().edges
    for stairs, values in zip(axis.patches, (test, near, far), strict=True):
        data = stairs.get_data()
        expected = np.histogram(values, data.edges, density=True)[0]
        np.testing.assert_allclose(data.values, expected)
    assert (len(drawn_edges), drawn_edges[-1]) == (len(edges), pytest.approx(edges[-1]))


def test_figure_6_has_means_and_deviations_of_trainings(drawn):
    points = {"GAN 0.00": RNG.normal(size=(4, 2)), "GAN 1.00": RNG.normal(size=(1, 2))}
    (axis,) = drawn(rejection.plot_repeats, points, "quality", "copying")
    for container, values in zip(axis.containers, points.values(), strict=True):
        line, _, bars = container.lines
        np.testing.assert_allclose(line.get_xydata()[0], values.mean(axis=0))
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(2)
        for axis_number, bar in enumerate(bars):
            (ends,) = bar.get_segments()
            length = np.ptp(ends[:, axis_number])
            assert length == pytest.approx(2 * spread[axis_number])


def test_figure_12_is_split_at_a_distance(drawn):
    train, generated = RNG.normal(size=(30, 4)), RNG.normal(size=(20, 4))
    near = RNG.uniform(size=20) < 0.4
    (axis,) = drawn(rejection.plot_tsne, "τ", train, {1: generated}, near)
    training, every, beyond = (points.get_offsets() for points in axis.collections)
    assert (len(training), len(every)) == (30, 20)
    np.testing.assert_array_equal(beyond, every[~near])


def test_pictures_side_by_side(tmp_path):
    first = images.grid(tmp_path / "a.png", np.zeros((1, 4, 4, 1), np.uint8))
    joined = images.join(tmp_path / "b.png", {"x": first.read_bytes(), "y": first.read_bytes()})
    assert joined.stat().st_size > 0
