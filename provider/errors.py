"""What can go wrong between a request and its Triton, and the one seam for foreign exceptions.

    ProviderError
    ├── FlagSourceError                the source of flags is out of reach, or gives too much
    │   └── FatalSourceError           it answered what FLAGD_FATAL_STATUS_CODES gives up at
    ├── RegistryError
    │   ├── RegistryUnavailableError   the database can't be reached or opened
    │   ├── NotARegistryError          the file is no database, or not one of ours
    │   │   └── NewerRegistryError     a newer version of this program made it
    │   ├── UnknownServiceError        no row of that id
    │   ├── ServiceExistsError         a row of that id is there already
    │   ├── InvalidServiceError        a field that can't work, told by its name
    │   └── ServiceFileError           a file of services that can't be read
    ├── KeyringError
    │   ├── MissingKeyError            credentials, and no key to open them
    │   ├── MalformedKeyError          what was given is no Fernet key
    │   └── WrongKeyError              no key opens this credential
    └── DeadlineExceededError          a call took longer than it may; a TimeoutError too

Each message says what to do next, and none holds a key or a credential.
"""

from __future__ import annotations


class ProviderError(Exception):
    """The base of what this folder raises."""


class FlagSourceError(ProviderError):
    """Flags can't be had from their source; says which setting leads there."""


class FatalSourceError(FlagSourceError):
    """The source is given up for good, as the settings ask for."""


class RegistryError(ProviderError):
    """The registry of services could not give or take a service."""


class RegistryUnavailableError(RegistryError):
    """The registry's database can't be reached or opened."""


class NotARegistryError(RegistryError):
    """What the URL names is not a registry of ours."""


class NewerRegistryError(NotARegistryError):
    """A newer version of this program made the registry, and this one does not know its form."""


class UnknownServiceError(RegistryError):
    """No service of that id is known."""

    def __init__(self, service_id: str) -> None:
        super().__init__(
            f"service {service_id!r} is unknown to the registry — "
            f"add it: openfeature-triton service add {service_id}"
        )
        self.service_id = service_id


class ServiceExistsError(RegistryError):
    """A service of that id is in the registry already."""


class InvalidServiceError(RegistryError):
    """A service that can't work; says which field of which service, never a credential."""


class ServiceFileError(RegistryError):
    """A file of services that can't be read; says which line of it."""


class KeyringError(ProviderError):
    """A credential can't be locked or opened."""


class MissingKeyError(KeyringError):
    """There is a credential, and no key was given."""


class MalformedKeyError(KeyringError):
    """What was given as a key is none."""


class WrongKeyError(KeyringError):
    """None of the keys opens the credential of a service."""


class DeadlineExceededError(ProviderError, TimeoutError):
    """A call was cut off at its deadline, whatever its server was doing."""

    def __init__(self, total_s: float) -> None:
        super().__init__(
            f"no answer within {total_s:g} s, so the call was cut off — "
            "give it a longer deadline_s (or OFT_DEADLINE_S) if the model needs it"
        )
        self.total_s = total_s
