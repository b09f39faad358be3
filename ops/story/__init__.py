"""The story `comptoir demo --check` plays: the whole job once, against real services."""

from ops.story.cast import Cast, Step, StepFailed, play

__all__ = ["Cast", "Step", "StepFailed", "play"]
