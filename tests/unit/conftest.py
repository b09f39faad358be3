"""How property tests run: without a time limit per example, since machines may be busy."""

from hypothesis import settings

settings.register_profile("comptoir", deadline=None)
settings.load_profile("comptoir")
