"""A mistake in a configuration is named in one line."""

import pytest

from rgf_keras.config import (
    AssessConfig,
    DiffusionConfig,
    EvaluationConfig,
    GANConfig,
    OptimizerConfig,
    OracleConfig,
    ScoreConfig,
    SpectralDecouplingConfig,
    VAEConfig,
    parse,
    read,
)
from rgf_keras.errors import RgfError


def one_line(caught):
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_empty_configuration_is_the_default():
    assert parse({}, AssessConfig) == AssessConfig()
    assert isinstance(AssessConfig().model, GANConfig)


@pytest.mark.parametrize(
    ("tree", "named"),
    [
        ({"modle": {}}, "modle"),
        ({"training": {"epoch": 3}}, "training.epoch"),
        ({"model": {"family": "gan", "beta": 1}}, "model.gan.beta"),
        ({"model": {"family": "flow"}}, "flow"),
        ({"model": {"family": "sagan", "shared_dim": 1}}, "model.sagan.shared_dim"),
        ({"model": {"family": "biggan", "latent_dim": 90}}, "model.biggan.latent_dim"),
        ({"model": {"family": "diffusion", "num_steps": 2000}}, "at most timesteps (1000)"),
        ({"model": {"family": "diffusion", "width": 30}}, "model.diffusion.width"),
        (
            {"model": {"family": "diffusion", "width": 40, "backbone": "keras_cv"}},
            "multiple of 32, received 40",
        ),
        (
            {"model": {"family": "diffusion", "width": 48, "backbone": "keras_cv_attention"}},
            "multiple of 32, received 48",
        ),
        ({"model": {"family": "diffusion", "augment": ["cutout"]}}, "model.diffusion.augment"),
        ({"training": {"ema_start": -1}}, "training.ema_start"),
        ({"training": {"epochs": 0}}, "training.epochs"),
        ({"training": {"batch_size": "many"}}, "training.batch_size"),
        ({"training": {"optimizer": {"name": 3}}}, "training.optimizer.name"),
        ({"training": {"player_optimizers": {"generator": {"rate": 1}}}}, "generator.rate"),
        ({"spectral_decoupling": {"weight": -0.1}}, "spectral_decoupling.weight"),
        ({"spectral_decoupling": {"weight": float("nan")}}, "spectral_decoupling.weight"),
        ({"spectral_decoupling": {"weight": float("inf")}}, "spectral_decoupling.weight"),
        ({"data": {"rarity": 0.0}}, "data.rarity"),
        ({"data": {"rarity": float("nan")}}, "data.rarity"),
        ({"data": {"rare_class": -1}}, "data.rare_class"),
        ({"evaluation": {"alpha": 1}}, "evaluation.alpha"),
        ({"evaluation": {"test": "three_sample"}}, "evaluation.test"),
        ({"seed": -1}, "seed"),
    ],
)
def test_unknown_keys_and_bad_values_are_named(tree, named):
    with pytest.raises(RgfError, match=r"^configuration: ") as caught:
        parse(tree, AssessConfig)
    assert named in one_line(caught)


def test_all_mistakes_are_named_at_once():
    with pytest.raises(RgfError, match=r"seed: .*received -1") as caught:
        parse({"seed": -1, "training": {"epochs": 0}}, AssessConfig)
    assert "training.epochs: " in one_line(caught)


def test_spectral_decoupling_needs_a_discriminator():
    weight = {"spectral_decoupling": {"weight": 0.1}}
    with pytest.raises(
        RgfError, match=r"needs a discriminator: set model\.family to gan"
    ) as caught:
        parse({"model": {"family": "vae"}, **weight}, AssessConfig)
    one_line(caught)
    assert (
        parse({"model": {"family": "gan"}, **weight}, AssessConfig).spectral_decoupling.weight
        == 0.1
    )
    assert isinstance(parse({"model": {"family": "vae"}}, AssessConfig).model, VAEConfig)


EXAMPLES = {
    "default": {},
    "vae": {"model": {"family": "vae", "units": [32, 16], "beta": 4}},
    "diffusion": {"model": {"family": "diffusion", "width": 64, "augment": ["translation"]}},
    "biggan": {
        "model": {"family": "biggan", "augment": True},
        "training": {"ema_decay": 0.9999, "ema_start": 1000},
        "rejection": {"threshold": 0.13},
    },
    "everything": {
        "data": {"name": "mnist", "rarity": 0.9, "factor_parameters": {"rare": "blue"}},
        "training": {"ema_decay": 0.99, "player_optimizers": {"generator": {"name": "sgd"}}},
        "spectral_decoupling": {"weight": 1e-3, "stop_epoch": 5, "shape": "linear"},
        "seed": 3,
    },
}


@pytest.fixture(params=EXAMPLES.values(), ids=EXAMPLES)
def config(request):
    return parse(request.param, AssessConfig)


def test_yaml_round_trip(tmp_path, config):
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml())
    assert read(path, AssessConfig) == config


def test_the_flat_form_restores_the_configuration(config):
    # Other model family, other values: everything comes from the flat form.
    assert config.with_values(config.flat()) == config


def test_flat_keys():
    flat = parse(EXAMPLES["everything"], AssessConfig).flat()
    assert flat["spectral_decoupling.weight"] == 1e-3
    assert flat["data.factor_parameters.rare"] == "blue"
    assert flat["training.player_optimizers.generator.name"] == "sgd"
    assert flat["seed"] == 3


def test_with_values_changes_a_copy():
    before = AssessConfig()
    after = before.with_values(
        {
            "spectral_decoupling.weight": 0.5,
            "training.player_optimizers.generator.learning_rate": 0.1,
            "seed": 7,
        }
    )
    assert before == AssessConfig()
    assert (after.spectral_decoupling.weight, after.seed) == (0.5, 7)
    assert after.training.player_optimizers["generator"].learning_rate == 0.1
    assert after.training.epochs == before.training.epochs


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("spectral_decoupling.weigth", 1),
        ("decoupling", 1),
        ("seed.first", 1),
        ("seed.first.second", 1),
        ("", 1),
        ("training.epochs", -1),
        ("spectral_decoupling.weight", float("nan")),
    ],
)
def test_with_values_names_the_key(key, value):
    with pytest.raises(RgfError) as caught:
        AssessConfig().with_values({key: value})
    assert key in one_line(caught)


def test_unmitigated_drops_the_mitigation_only():
    config = parse(EXAMPLES["everything"], AssessConfig)
    plain = config.unmitigated()
    assert plain.spectral_decoupling == SpectralDecouplingConfig()
    again = {"spectral_decoupling": config.spectral_decoupling.model_dump()}
    assert plain.with_values(again) == config


def test_configurations_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        EvaluationConfig().alpha = 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: [1, 2", "config.yaml is no YAML (line "),
        ("seed: 1\n\tdata: 2", "config.yaml is no YAML (line 2)"),
        ("just words", "just words"),
        ("- 1\n- 2", "configuration: "),
        ("seeds: 1", "seeds"),
        ("training:\n  epochs: -1", "training.epochs"),
        ("spectral_decoupling: {weight: .nan}", "spectral_decoupling.weight"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(RgfError) as caught:
        read(path, AssessConfig)
    assert message in one_line(caught)


def test_an_empty_file_is_the_default(tmp_path):
    (tmp_path / "config.yaml").write_text("# all defaults\n")
    assert read(tmp_path / "config.yaml", AssessConfig) == AssessConfig()


def test_a_missing_file_a_folder_and_bytes_are_named(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xff")
    for name in ("missing.yaml", ".", "bytes.yaml"):
        with pytest.raises(RgfError, match=f"^cannot read {tmp_path / name}: ") as caught:
            read(tmp_path / name, AssessConfig)
        one_line(caught)


@pytest.mark.parametrize(
    ("tree", "suggestion"),
    [
        ({"training": {"epoks": 3}}, "training.epoks: unknown key; did you mean 'epochs'?"),
        ({"model": {"family": "gan", "dropuot": 1}}, "unknown key; did you mean 'dropout'?"),
        ({"model": {"family": "vea"}}, "did you mean 'vae'?"),
        ({"regularizers": {"mine": {"tarhget": "a:b"}}}, "did you mean 'target'?"),
    ],
)
def test_misspelt_names_are_told_what_they_may_mean(tree, suggestion):
    with pytest.raises(RgfError) as caught:
        parse(tree, AssessConfig)
    assert suggestion in one_line(caught)


def test_another_family_starts_from_its_own_defaults():
    config = AssessConfig(model=GANConfig(units=(8,), dropout=0.5))
    changed = config.with_values({"model.size": "tiny", "model.family": "diffusion"})
    assert changed.model == DiffusionConfig(size="tiny")
    # named again, it is no other family
    assert config.with_values({"model.family": "gan"}).model == config.model


def test_a_player_that_the_family_does_not_have_is_named():
    tree = {"model": {"family": "vae"}, "training": {"player_turns": {"critic": 2}}}
    with pytest.raises(RgfError, match=r"player_turns: the family vae has no player 'critic'"):
        parse(tree, AssessConfig)


def test_fields_that_came_later_are_no_part_of_the_identity_while_they_have_their_default():
    identity = AssessConfig().identity()
    assert "regularizers" not in identity
    assert {"embedding", "metrics"}.isdisjoint(identity["evaluation"])
    assert "arguments" not in identity["training"]["optimizer"]
    changed = AssessConfig().with_values({"training.optimizer.arguments": {"beta_2": 0.9}})
    assert changed.identity()["training"]["optimizer"]["arguments"] == {"beta_2": 0.9}
    assert changed.key != AssessConfig().key


def test_each_oracle_may_have_its_own_epochs():
    plain = OracleConfig(epochs=8)
    cars = OracleConfig(epochs=8, class_epochs=100)
    assert (cars.recipe("class").epochs, cars.recipe("factor").epochs) == (100, 8)
    # what was cached before, and is of the same recipe, is found
    assert cars.recipe("factor").identity() == plain.recipe("class").identity() == plain.identity()
    assert "class_epochs" not in plain.identity()


def test_whatever_is_a_mitigation_is_dropped_for_a_reference():
    config = AssessConfig().with_values(
        {
            "regularizers": {"mine": {"target": "mine:Hook", "arguments": {"weight": 0.1}}},
            "rejection.threshold": 0.1,
            "spectral_decoupling.weight": 0.5,
        }
    )
    assert config.unmitigated() == AssessConfig()
    for _, mitigation in config.mitigations():
        assert mitigation.active
        assert not mitigation.off().active
    names = {name for name, _ in config.mitigations()}
    assert names == {"spectral_decoupling", "rejection", "regularizers.mine"}


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ({}, {"learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999, "epsilon": 1e-7}),
        ({"arguments": {"beta_2": 0.9, "epsilon": 1e-8}}, {"beta_2": 0.9, "epsilon": 1e-8}),
        ({"name": "adamw", "arguments": {"weight_decay": 0.01}}, {"weight_decay": 0.01}),
        ({"name": "sgd", "momentum": 0.5}, {"momentum": 0.5}),
        ({"name": "lion", "learning_rate": 1e-4}, {"learning_rate": 1e-4}),
    ],
)
def test_any_optimizer_of_keras_with_its_arguments(optimizer, expected):
    built = OptimizerConfig(**optimizer).build().get_config()
    assert {name: built[name] for name in expected} == pytest.approx(expected)


def test_a_learning_rate_may_be_a_schedule():
    schedule = {
        "name": "CosineDecay",
        "arguments": {"initial_learning_rate": 0.1, "decay_steps": 9},
    }
    config = AssessConfig().with_values({"training.optimizer.learning_rate": schedule})
    built = config.training.optimizer.build().get_config()["learning_rate"]
    assert (built["class_name"], built["config"]["decay_steps"]) == ("CosineDecay", 9)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ({"name": "adm"}, r"training\.optimizer\.name: .* 'adm'; did you mean 'adam'\?"),
        ({"name": "sgd", "beta_1": 0.9}, r"training\.optimizer\.beta_1: sgd has no beta_1"),
        ({"momentum": 0.9}, r"training\.optimizer\.momentum: adam has no momentum"),
        ({"arguments": {"bet_2": 0.9}}, r"no further argument 'bet_2'; did you mean 'beta_2'\?"),
        ({"arguments": {"beta_1": 0.9}}, r"no further argument 'beta_1'"),
        ({"arguments": {"clipnorm": 1, "clipvalue": 1}}, r"training\.optimizer: adam: "),
        (
            {"learning_rate": {"name": "CosinDecay", "arguments": {}}},
            r"no schedule 'CosinDecay'; did you mean 'CosineDecay'\?",
        ),
        (
            {"learning_rate": {"name": "CosineDecay", "arguments": {"steps": 1}}},
            r"training\.optimizer\.learning_rate: CosineDecay: ",
        ),
    ],
)
def test_what_keras_does_not_have_is_named(optimizer, message):
    with pytest.raises(RgfError, match=message) as caught:
        OptimizerConfig(**optimizer).build()
    one_line(caught)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metrics": ["quality/fid_statistics"]}, "quality/fid_statistics needs evaluation.refere"),
        ({"reference_statistics": "a.npz"}, "are of one resizing: name quality/fid or"),
        (
            {"reference_statistics": "a.npz", "metrics": ["quality/fid", "quality/clean_fid"]},
            "are of one resizing: name quality/fid or",
        ),
    ],
)
def test_statistics_go_with_one_fid(values, message):
    with pytest.raises(RgfError, match=message):
        AssessConfig().with_values({f"evaluation.{key}": value for key, value in values.items()})


# ------------------------------------------------------------------------ where copying is measured

REJECTED = {"rejection.threshold": 0.1, "rejection.embedding": "pixels"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ("oracle", "pixels")),
        ({"evaluation.embedding": "pixels"}, ("pixels",)),
        ({"evaluation.embedding": "mine.py:Net"}, ("mine.py:Net", "pixels")),
        (REJECTED, ("oracle", "pixels")),
        (REJECTED | {"evaluation.embedding": "pixels"}, ("pixels", "oracle")),
        ({"evaluation.copying_embeddings": ["vgg16"]}, ("vgg16",)),
    ],
)
def test_copying_is_measured_where_no_mitigation_is(values, expected):
    assert AssessConfig().with_values(values).copying_spaces == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            REJECTED | {"evaluation.copying_embeddings": ["pixels"]},
            r"copying_embeddings: a mitigation keeps images apart in pixels, so that copying must",
        ),
        ({"evaluation.copying_embeddings": []}, "name at least one embedding, and each only once"),
        ({"evaluation.copying_embeddings": ["a", "a"]}, "and each only once"),
    ],
)
def test_spaces_that_say_nothing_are_refused(values, message):
    with pytest.raises(RgfError, match=message):
        AssessConfig().with_values(values)


def test_weights_belong_to_the_embedding_they_are_given_for():
    config = AssessConfig().with_values(
        {"evaluation.embedding": "vgg16", "evaluation.embedding_weights": "mine.h5"}
    )
    assert config.weights_of("vgg16") == "mine.h5"
    assert config.weights_of("resnet50") == "imagenet"


def test_passes_are_epochs_where_they_are_counted():
    with pytest.raises(RgfError, match=r"training\.passes_per_epoch: a score is taken by single"):
        ScoreConfig().with_values({"training.passes_per_epoch": 2})
    private = {"training.passes_per_epoch": 2, "training.privacy.noise_multiplier": 1.0}
    with pytest.raises(RgfError, match=r"training\.passes_per_epoch: the ε of private training"):
        AssessConfig().with_values(private)
