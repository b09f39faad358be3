"""All kinds of steps, and drawing a schedule from a seed."""

from simulation.chance import stream
from simulation.schedule import Schedule, Step
from simulation.steps import cards, cashiers, network, office, processes
from simulation.steps.kinds import Kind
from simulation.world import draw_shape

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (*cashiers.KINDS, *cards.KINDS, *office.KINDS, *network.KINDS, *processes.KINDS)
}
FAULTS = tuple(kind for kind in KINDS.values() if kind.fault)
ACTIONS = tuple(kind for kind in KINDS.values() if not kind.fault)

CALM_S = 1.0
"""First the tills become complete."""
LASTS_S = 11.0
"""Steps are drawn within this time after that."""


DRAWN = 60
"""So many steps of a kind show what it may be given."""


def wrong_in(step: Step) -> str | None:
    """What is wrong with a step somebody wrote, as far as those that are drawn tell; None: nothing."""
    if step.at < 0:
        return f"at: {step.at:g} is before the beginning"
    rng, shape = stream(0, "wants"), draw_shape(0)
    drawn = [KINDS[step.do].draw(rng, shape) for _ in range(DRAWN)]
    if missing := sorted(drawn[0].keys() - step.given.keys()):
        return f"given: {', '.join(missing)} missing"
    for name, value in step.given.items():
        known = {_sort(one[name]) for one in drawn if name in one}
        if known and _sort(value) not in known:
            return f"given: {name}: {value!r} is no {' or '.join(sorted(known))}"
    return None


def _sort(value: object) -> str:
    """What a value is in JSON."""
    if isinstance(value, bool) or value is None:
        return "null" if value is None else "boolean"
    return (
        "number" if isinstance(value, int | float) else "text" if isinstance(value, str) else "list"
    )


def draw_schedule(seed: int) -> Schedule:
    """What people do and what goes wrong: a few faults of few kinds, so that they meet each other."""
    rng, shape = stream(seed, "schedule"), draw_shape(seed)
    kinds = rng.sample(FAULTS, k=rng.randint(1, 5)) if rng.random() < 0.97 else []
    wrong = (
        rng.choices(kinds, [kind.weight for kind in kinds], k=rng.randint(2, 7)) if kinds else []
    )
    about = rng.choice((None, None, "card"))
    weights = [kind.weight * (5 if kind.about == about else 1) for kind in ACTIONS]
    done = rng.choices(ACTIONS, weights, k=rng.randint(8, 18))
    calm = CALM_S if rng.random() < 0.8 else 0.0
    steps = [
        Step(round(calm + rng.uniform(0, LASTS_S), 3), kind.name, kind.draw(rng, shape))
        for kind in (*wrong, *done)
    ]
    steps.sort(key=lambda step: step.at)
    return Schedule(seed, tuple(_crowded(steps, rng.random() < 0.4)))


def _crowded(steps: list[Step], crowded: bool) -> list[Step]:
    """Sometimes everything happens at once."""
    if not crowded:
        return steps
    return [Step(round(CALM_S + (step.at - CALM_S) / 8, 3), step.do, step.given) for step in steps]
