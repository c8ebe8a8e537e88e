"""Constant data, read once: AWS's data as botocore ships it, and moto's own.

botocore reads its data for every session, moto searches the folders of all services for each one, and ten threads that
need a model at once would each parse it. Together that is most of the sandbox's first seconds. For every request moto
also lists its own folders and inspects its own classes, which is a fifth of the response time.
"""

import functools
import threading

from botocore import session

# Before any import of moto, which opens sessions while it is imported.
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
    """Return AWS's API model of a service."""
    with _READING:
        return utils.get_service_model(service)
