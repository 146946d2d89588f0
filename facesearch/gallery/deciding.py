"""How an open gallery decides: its threshold, what the threshold was calibrated on, and the score compared with it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from facesearch.encoders.background import NEAREST
from facesearch.errors import UsageError
from facesearch.gallery import arguments
from facesearch.gallery.agreement import in_force, outgrown
from facesearch.gallery.groups import Among, checked
from facesearch.gallery.opening import OpenGallery
from facesearch.gallery.scoring import LARGEST_COHORT, NORMALISED, Rule
from facesearch.gallery.stranger_rates import StrangerRates
from facesearch.pipeline.fit_to_enrol import LEAST, quality_profile
from facesearch.store import Calibration, Cohort


class DecidingGallery(OpenGallery):
    """An open gallery, and how it decides."""

    @property
    def score(self) -> str:
        """What is compared with the threshold: "cosine" or "normalised"; see docs/reference/thresholds.md."""
        return self.parts.settings().score

    def set_score(self, score: str) -> None:
        """Compare another score with the threshold, which then is the encoder's default again.

        Raises `UsageError` for normalised scores of an encoder for which they were never measured.
        """
        score = arguments.score(score)
        self.parts.rule(self.parts.settings(), None, score)
        self.parts.store.settings.set_score(score)

    @property
    def quality(self) -> str:
        """Which faces are enrolled and named: "off", "standard" or "strict"."""
        return self.parts.settings().quality

    def set_quality(self, quality: str) -> None:
        """Keep another profile of quality; raises `UsageError` for one that there is not."""
        self.parts.settings()
        self.parts.store.settings.set_quality(quality_profile(quality))

    @property
    def least_quality(self) -> float:
        """The lowest quality that its profile enrols; with "off", that "standard" enrols."""
        profile = quality_profile(self.quality)
        return LEAST["standard" if profile == "off" else profile]

    def cohort(self) -> Cohort | None:
        """People who are not enrolled, whom probes are compared with as with the others; None without."""
        return self.parts.store.cohort.read()

    def set_cohort(self, templates: npt.NDArray[np.float32], source: str) -> None:
        """Keep templates (n, dimension) of people who are not enrolled, each of another one, in place of an earlier
        cohort. source: where they come from, in words. The threshold stays, but no longer counts as calibrated.

        Raises `UsageError` for an encoder whose scores cannot be normalised.
        """
        settings, others = self.parts.settings(), arguments.probes(templates)
        self.parts.rule(settings, None, NORMALISED)
        if not isinstance(source, str):
            raise UsageError(f"where a cohort comes from is said in words, not by {arguments.shown(source)}")
        if len(others) > LARGEST_COHORT:
            raise UsageError(f"{len(others)} faces are too many for a cohort: {LARGEST_COHORT} are enough")
        if len(others) < NEAREST:
            raise UsageError(f"{len(others)} faces are too few for a cohort: at least {NEAREST} are needed")
        if others.shape[1] != settings.dimension:
            raise UsageError(f"a cohort is (n, {settings.dimension}) templates of {settings.model}, not {others.shape}")
        self.parts.store.cohort.replace(others, source)

    def remove_cohort(self) -> None:
        """Keep no cohort any longer; without one, nothing changes."""
        self.parts.store.cohort.replace(np.zeros((0, self.parts.settings().dimension), np.float32), "")

    @property
    def threshold(self) -> float:
        """Score from which on a candidate is a match: the gallery's own, else the encoder's default."""
        return self.parts.threshold(self.parts.source.settings())

    def set_threshold(self, threshold: float | None) -> None:
        """Keep another threshold with the gallery; None returns to the encoder's default."""
        self.parts.settings()
        self.parts.store.settings.set_threshold(None if threshold is None else arguments.threshold(threshold))

    def calibration(self) -> Calibration | None:
        """What the threshold in force was calibrated on; None where it was set otherwise."""
        source = self.parts.source
        return in_force(source.calibration(), source.settings())

    def set_calibration(self, calibration: Calibration) -> None:
        """Keep a threshold together with what it was calibrated on."""
        arguments.threshold(calibration.threshold)
        self.parts.settings()
        self.parts.store.settings.set_calibration(calibration)

    def stranger_rates(self, among: Among | None = None, score: str | None = None) -> StrangerRates | None:
        """How often strangers reach a score in this gallery, or `among` some of its people; None where that was never
        measured for its encoder. score: cosine or normalised, in place of the gallery's, for which its calibration does
        not hold."""
        settings = self.parts.settings()
        background = Rule.asked(settings.model, None).background
        if background is None or not background.reached:
            return None
        if among is None:
            holds = score is None or arguments.score(score) == settings.score
            held = self.parts.source.size()
            return StrangerRates(background, held, self.calibration() if holds else None)
        with self.parts.source.moment() as moment:
            if (state := moment.state()) is None:
                raise self.parts.empty()
            group = self.parts.groups.among(moment, state, checked(among))
        return StrangerRates(background, len(group.templates))

    def outgrown(self) -> str | None:
        """Why the calibrated threshold no longer holds, in words; None while it does, or where there is none."""
        found = self.calibration()
        return outgrown(found, self.parts.source.size()) if found else None
