"""Free ports for services that are stopped and started again."""
import random
import socket


def free_port():
    """Returns a free port below the range of outgoing connections, so that none takes it while the service is down."""
    while True:
        port = random.randrange(15000, 30000)
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) != 0:
                return port
