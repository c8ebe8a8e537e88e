"""What never changes, looked up once: AWS's data as botocore ships it, and what moto knows of itself.

botocore reads its data again for every session, moto looks through the folders of all services for each one, and of ten
threads that want a model at once each would parse it: together most of the sandbox's first seconds. For every request moto
lists its own folders and inspects its own classes: together a fifth of the time that an answer takes.
"""

import functools
import threading

from botocore import session

# Before anything of moto is imported: it opens sessions as it is.
session.create_loader = functools.cache(session.create_loader)

import xmltodict
from moto import backends
from moto.core import responses, utils

utils.create_loader = functools.cache(utils.create_loader)
responses.method_names_from_class = functools.cache(responses.method_names_from_class)
backends.list_of_moto_modules = functools.cache(lambda of=backends.list_of_moto_modules: frozenset(of()))
xmltodict._validate_name = functools.cache(xmltodict._validate_name)

_READING = threading.Lock()


def service_model(service):
    """AWS's API model of a service."""
    with _READING:
        return utils.get_service_model(service)
