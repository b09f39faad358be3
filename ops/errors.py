"""What can go wrong while services are found, installed and started."""


class ServiceError(Exception):
    """A service could not be had, started or asked; the text is what a person can act on."""
