"""AWS's data as botocore ships it, read once.

botocore reads it again for every session, moto looks through the folders of all services for each one, and of ten
threads that want a model at once each would parse it: together most of the sandbox's first seconds.
"""

import functools
import threading

from botocore import session

# Before anything of moto is imported: it opens sessions as it is.
session.create_loader = functools.cache(session.create_loader)

from moto.core import utils

utils.create_loader = functools.cache(utils.create_loader)

_READING = threading.Lock()


def service_model(service):
    """AWS's API model of a service."""
    with _READING:
        return utils.get_service_model(service)
