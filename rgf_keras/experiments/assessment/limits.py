"""What a configuration and its data cannot do together, told before training, without Keras."""

from rgf_keras import plugins
from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig, OracleConfig, TrainingConfig
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.assessment.data import Sets, make_sets, oracle_images
from rgf_keras.image_sizes import ORACLE_SIDE
from rgf_keras.metrics import catalogue, embeddings, on_request
from rgf_keras.runtime.progress import SILENT, Progress

# Samples, of each set, that metrics on request take: one more than their neighbours.
NEEDED = {"precision": 4, "recall": 4, "density": 6, "coverage": 6}


def check_data(config: AssessConfig, cache: Cache, progress: Progress = SILENT) -> Sets:
    """The data of an assessment, once nothing is known to be wrong with it.

    Raises:
        RgfError: guests and embeddings that do not exist; bad data; images that the model or the
            oracles cannot take; batches or samples that there are not enough images for. The key
            of the configuration is named.
    """
    _check_names(config)
    sets = make_sets(config.data, config.seed, cache, progress)
    config.model.check_size(sets.skewed.image_shape)
    check_batches(config.training, sets.skewed)
    check_oracles(oracle_images(config, sets.balanced, cache, progress), config.oracle)
    _check_evaluation(config, sets)
    return sets


def _check_names(config: AssessConfig) -> None:
    config.model.check_names()
    for key, mitigation in config.mitigations():
        mitigation.check_names(key)
    embeddings.check("evaluation.embedding", config.evaluation.embedding)
    for name in config.copying_spaces:
        embeddings.check("evaluation.copying_embeddings", name)
    for name in config.evaluation.metrics:
        plugins.check("metrics", name, on_request.by_name(), "evaluation.metrics")


def check_batches(training: TrainingConfig, dataset: Dataset) -> None:
    """Refuse batches larger than the data.

    Raises:
        RgfError: they are.
    """
    most = len(dataset) // max([1, *training.player_turns.values()])
    if training.batch_size > most:
        raise RgfError(
            f"training.batch_size: {training.batch_size} is more than {most}, the images of "
            f"{dataset.name} for a player's turn; set it to at most {most}"
        )


def check_oracles(train: Dataset, config: OracleConfig) -> None:
    """Refuse images that no oracle can be trained on.

    Raises:
        RgfError: they are too small, or fewer than a batch.
    """
    if train.num_classes == 1 and len(train.factor_values) == 1:
        return  # there is nothing to tell apart
    height, width, _ = train.image_shape
    if min(height, width) < ORACLE_SIDE:
        raise RgfError(
            f"data.name: the images of {train.name} are {height}×{width}, but the oracles need "
            f"{ORACLE_SIDE}×{ORACLE_SIDE} or more; use larger images"
        )
    if config.batch_size > len(train):
        raise RgfError(
            f"oracle.batch_size: {config.batch_size} is more than the {len(train)} images of "
            f"{train.name}; set it to at most {len(train)}"
        )


def _check_evaluation(config: AssessConfig, sets: Sets) -> None:
    evaluation, num_test = config.evaluation, len(sets.held_out)
    list(catalogue.guests(evaluation.metrics))  # refuses names that nobody knows
    if evaluation.min_class_samples > evaluation.num_samples:
        raise RgfError(
            f"evaluation.min_class_samples: {evaluation.min_class_samples} is more than the "
            f"{evaluation.num_samples} samples of evaluation.num_samples, so that every class has "
            "too few; draw more, or lower it"
        )
    for key, images in (("data.num_train", sets.skewed), ("data.num_test", sets.held_out)):
        if len(images) < 2:
            raise RgfError(f"{key}: {images.name} has one image; an assessment needs 2 or more")
    for name in evaluation.metrics:
        least = NEEDED.get(name.removeprefix("quality/"), 2)
        if evaluation.num_samples < least:
            raise RgfError(f"evaluation.num_samples: {name} needs {least} samples or more")
        if num_test < least:
            raise RgfError(f"data.num_test: {name} needs {least} test images, there are {num_test}")
