"""Everything that determines one assessment."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from rgf_keras.config.base import INT32, LATER, MITIGATES, Config, Positive
from rgf_keras.config.data import DataConfig
from rgf_keras.config.mitigation import (
    Mitigation,
    RegularizerConfig,
    RejectionConfig,
    SpectralDecouplingConfig,
)
from rgf_keras.config.model import GANConfig, ModelConfig, families_with
from rgf_keras.config.training import TrainingConfig
from rgf_keras.errors import RgfError


class OracleConfig(Config):
    """How the oracles are trained: the paper's recipe (SGD, 8 epochs of 60,000 images).

    Attributes:
        num_train: balanced images to train on; None for as many as the generator has.
        epochs: passes over the balanced training images.
        batch_size: images per step.
        learning_rate: of SGD.
        momentum: of SGD.
        min_accuracy: held-out accuracy below which an assessment refuses.
        class_epochs: those of the oracle of classes instead, as the paper's 100 for makes of cars.
        factor_epochs: those of the oracle of the factor instead.
    """

    num_train: Positive | None = None
    epochs: Positive = 8
    batch_size: Positive = 64
    learning_rate: float = Field(0.01, gt=0)
    momentum: float = Field(0.5, ge=0, lt=1)
    min_accuracy: float = Field(0.92, ge=0, le=1)
    class_epochs: Positive | None = Field(None, json_schema_extra=LATER)
    factor_epochs: Positive | None = Field(None, json_schema_extra=LATER)

    def recipe(self, kind: Literal["class", "factor"]) -> Self:
        """The recipe of one of the two oracles, with its own epochs as ``epochs``."""
        own = {"class": self.class_epochs, "factor": self.factor_epochs}[kind]
        alone = {"epochs": own or self.epochs, "class_epochs": None, "factor_epochs": None}
        return self.model_copy(update=alone)


class EvaluationConfig(Config):
    """How a trained model is evaluated.

    Attributes:
        num_samples: M, images drawn from each model.
        fast: whether a model that draws in many steps shall take few.
        every: epochs between evaluations during training; None for only at the end.
        reference: whose P_u to compare with: a balanced model trained like the one under test
            (``own``) or without its mitigation (``shared``, as the paper did for spectral
            decoupling).
        test: what decides: ``trainings`` compares trainings, and needs three references; the others
            compare samples of two trainings, as the paper does, and call far more than ``alpha`` of
            equal models different: ``two_sample`` 53 % of rows, ``sample`` (what the paper's tables
            fit) and ``reference`` (its Eq. 1) 68 %, measured with eight equal GANs.
        num_references: R_u, trainings of the reference, with the seeds ``seed``, ``seed + 1``, …;
            they are kept for all that compares with it. None for three where trainings are
            compared, which is the least that says anything, else one.
        num_trainings: R_r, trainings of the model under test, with such seeds. With several,
            numbers are means over trainings, and their intervals are over trainings.
        first_training: number of the first of these, counted from 0; what a study's repeats raise.
        alpha: two-sided level.
        min_class_samples: fewer samples of a class are too few.
        num_resamples: bootstrap resamples for the Fréchet distance's interval.
        embedding: whose features distances are measured in: the class oracle's (``oracle``),
            ``pixels``, ``fid``, ``clean_fid``, ``torchvision_inception``, a network of
            ``metrics.embeddings.APPLICATIONS`` or a guest's extractor.
        embedding_weights: of such a network: a file, or ``"imagenet"`` for those it usually has.
        copying_embeddings: in whose features copying is measured, named likewise; None for the
            embedding above and ``pixels``. A mitigation must not use all of them.
        metrics: what every evaluation measures as well: one of ours that costs more, as
            ``quality/fid``, see :mod:`rgf_keras.metrics.on_request`, or a guest's: ``module:attr``,
            ``file.py:attr`` or an entry point of ``rgf_keras.metrics``.
        reference_statistics: an ``.npz`` with ``mu`` and ``sigma`` of reference images in the space
            of FID, which ``quality/fid`` and ``quality/clean_fid`` also compare with.
    """

    num_samples: int = Field(1000, ge=2, le=INT32)
    fast: bool = False
    every: Positive | None = None
    reference: Literal["own", "shared"] = "own"
    test: Literal["trainings", "two_sample", "sample", "reference"] = "trainings"
    num_references: Positive | None = Field(None, json_schema_extra=LATER)
    num_trainings: Positive = Field(1, json_schema_extra=LATER)
    first_training: int = Field(0, ge=0, json_schema_extra=LATER)
    alpha: float = Field(0.05, gt=0, lt=1)
    min_class_samples: Positive = 10
    num_resamples: int = Field(100, ge=2)
    embedding: str = Field("oracle", json_schema_extra=LATER)
    embedding_weights: str = Field("imagenet", json_schema_extra=LATER)
    copying_embeddings: tuple[str, ...] | None = Field(None, json_schema_extra=LATER)
    metrics: tuple[str, ...] = Field((), json_schema_extra=LATER)
    reference_statistics: str | None = Field(None, json_schema_extra=LATER)

    @model_validator(mode="after")
    def _statistics_are_used(self) -> "EvaluationConfig":
        needed = [name for name in self.metrics if name.endswith("fid_statistics")]
        if needed and self.reference_statistics is None:
            raise ValueError(
                f"evaluation.metrics: {needed[0]} needs evaluation.reference_statistics, an .npz "
                "with mu and sigma"
            )
        users = {name.removesuffix("_statistics") for name in self.metrics}
        if self.reference_statistics and len(users & {"quality/fid", "quality/clean_fid"}) != 1:
            raise ValueError(
                "evaluation.reference_statistics are of one resizing: name quality/fid or "
                "quality/clean_fid in evaluation.metrics, not both"
            )
        return self

    @property
    def references(self) -> int:
        """R_u as a number."""
        from rgf_keras.metrics.verdicts import MIN_REFERENCES  # with it comes SciPy

        return self.num_references or (MIN_REFERENCES if self.test == "trainings" else 1)

    @property
    def trainings(self) -> range:
        """Numbers of the trainings of the model under test."""
        return range(self.first_training, self.first_training + self.num_trainings)

    @property
    def compares_as_by_default(self) -> bool:
        """Whether nothing else is asked for than the default test of the default trainings."""
        names = "test", "num_references", "num_trainings"
        return all(getattr(self, name) == type(self).model_fields[name].default for name in names)

    def designs(self, num_seeds: int, num_skewed: int) -> list[tuple[int, int]]:
        """The pairs (R_r, R_u) that a calibration looks at: ours, and one against all others.

        Args:
            num_seeds: balanced trainings, from which both sides are taken.
            num_skewed: skewed ones.

        Raises:
            RgfError: more trainings are compared than there are seeds.
        """
        from rgf_keras.metrics.verdicts import MIN_REFERENCES  # with it comes SciPy

        tested, known = self.num_trainings, max(self.references, MIN_REFERENCES)
        if num_seeds < tested + known:
            raise RgfError(
                f"evaluation.num_trainings {tested} and evaluation.num_references {known} are more "
                f"trainings than {num_seeds} seeds; give --seeds {tested + known} or more"
            )
        if 0 < num_skewed < tested:
            raise RgfError(
                f"evaluation.num_trainings {tested} is more than {num_skewed} skewed trainings; "
                f"give --skewed {tested} or more"
            )
        return list(dict.fromkeys([(tested, known), (1, num_seeds - 1)]))

    @model_validator(mode="after")
    def _samples_are_of_one_training(self) -> Self:
        if self.test != "trainings":
            for name in ("num_references", "num_trainings"):
                if (getattr(self, name) or 1) > 1:
                    raise ValueError(
                        f"{name}: the test '{self.test}' compares samples of one training with "
                        "those of another; set test to trainings, or leave it out"
                    )
        return self


class ExperimentConfig(Config):
    """Everything that determines the result of one experiment."""

    model: ModelConfig
    training: TrainingConfig = TrainingConfig()
    seed: int = Field(0, ge=0, lt=INT32 - 2**16)  # trainings have the seeds after it

    @model_validator(mode="after")
    def _players_are_the_models(self) -> "ExperimentConfig":
        players = self.model.players
        for key in ("player_optimizers", "player_turns"):
            for name in getattr(self.training, key):
                if players is not None and name not in players:
                    raise ValueError(
                        f"training.{key}: the family {self.model.family} has no player '{name}', "
                        f"only {', '.join(players)}"
                    )
        return self

    @model_validator(mode="after")
    def _private_without_hooks(self) -> "ExperimentConfig":
        if self.training.privacy.active and getattr(self.model, "geco_tolerance", None) is not None:
            raise ValueError("training.privacy and model.geco_tolerance exclude each other")
        return self


class AssessConfig(ExperimentConfig):
    """Everything that determines one assessment.

    Attributes:
        regularizers: guests' hooks by a name of one's choice.
    """

    data: DataConfig = DataConfig()
    model: ModelConfig = GANConfig()
    spectral_decoupling: SpectralDecouplingConfig = SpectralDecouplingConfig()
    rejection: RejectionConfig = RejectionConfig()
    regularizers: dict[str, RegularizerConfig] = Field({}, json_schema_extra=LATER | MITIGATES)
    oracle: OracleConfig = OracleConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    def mitigations(self) -> Iterator[tuple[str, Mitigation]]:
        """Those of this configuration with their keys, on or off."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Mitigation):
                yield name, value
        for name, hook in self.regularizers.items():
            yield f"regularizers.{name}", hook

    def of_one_training(self) -> Self:
        """A copy that compares one training with one reference by their samples.

        That is what an assessment was before trainings were compared, so that the key of this copy
        finds what was kept then; and how many trainings are compared is nothing that a single one
        depends on.
        """
        single = {"test": "two_sample", "num_references": None, "num_trainings": 1}
        single["first_training"] = 0
        evaluation = self.evaluation.model_copy(update=single)
        return self.model_copy(update={"evaluation": evaluation})

    @property
    def folder_name(self) -> str:
        """What keeps an assessment: one folder for each first training, however many follow."""
        first = self.evaluation.first_training
        return f"assess-{self.of_one_training().key}" + (f"-{first}" if first else "")

    def of_training(self, number: int) -> Self:
        """A copy for the training of this number: data and oracles are the first one's still."""
        return self.model_copy(update={"seed": self.seed + number})

    @property
    def copying_spaces(self) -> tuple[str, ...]:
        """In which copying is measured; by default one at least that no mitigation uses."""
        named = self.evaluation.copying_embeddings
        if named is not None:
            return named
        spaces = dict.fromkeys((self.evaluation.embedding, "pixels"))
        return (*spaces, "oracle") if self.spaces_of_mitigations >= spaces.keys() else (*spaces,)

    def weights_of(self, space: str) -> str:
        """Weights of the embedding of this name: those given for it, else those it usually has."""
        parts = self.rejection, self.evaluation
        return {each.embedding: each.embedding_weights for each in parts}.get(space, "imagenet")

    @property
    def spaces_of_mitigations(self) -> frozenset[str]:
        """In which mitigations keep generated images from training images."""
        return frozenset().union(*(mitigation.spaces for _, mitigation in self.mitigations()))

    @model_validator(mode="after")
    def _copying_is_measured_elsewhere(self) -> "AssessConfig":
        spaces = self.copying_spaces
        key = "evaluation.copying_embeddings"
        if len(set(spaces)) < max(1, len(spaces)):
            raise ValueError(f"{key}: name at least one embedding, and each only once")
        if self.spaces_of_mitigations >= set(spaces):
            raise ValueError(
                f"{key}: a mitigation keeps images apart in {' and '.join(spaces)}, so that "
                "copying must be measured in another space too; add pixels, oracle or a network"
            )
        return self

    @model_validator(mode="after")
    def _mitigations_fit_the_model(self) -> "AssessConfig":
        players = self.model.players
        for name, mitigation in self.mitigations():
            needed = mitigation.needs
            if mitigation.active and needed and players is not None and needed not in players:
                *others, last = families_with(needed)
                known = f"{', '.join(others)} or {last}"
                raise ValueError(f"{name} needs a {needed}: set model.family to {known}")
        return self
