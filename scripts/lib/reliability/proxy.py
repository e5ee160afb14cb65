"""A TCP proxy between the service and PostgreSQL that can drop packets and cut connections, as a network may."""
import asyncio
import ctypes
import socket
import struct

from ports import free_port

# A socket filter that accepts no bytes: the kernel drops each packet as if the network had lost it, so that the peer
# gets no acknowledgement, no answer to its keepalives, and no FIN or RST.
SO_ATTACH_FILTER, SO_DETACH_FILTER, RETURN = 26, 27, 0x06


class Filter:
    """A BPF program of one instruction, which accepts 0 bytes."""

    def __init__(self):
        self.code = ctypes.create_string_buffer(struct.pack("HBBI", RETURN, 0, 0, 0))
        self.program = struct.pack("HxxxxxxP" if struct.calcsize("P") == 8 else "HxxP", 1, ctypes.addressof(self.code))

    def attach(self, sock):
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, self.program)


class Pair:
    """A connection of the service, and its counterpart to PostgreSQL."""

    def __init__(self, service, store):
        self.service, self.store, self.is_cut = service, store, False

    def sockets(self):
        return [writer.get_extra_info("socket") for writer in (self.service, self.store)]

    def abort(self):
        self.is_cut = True
        for writer in (self.service, self.store):
            writer.transport.abort()


class Proxy:
    """Forwards all bytes until a method changes that.

    `cuts` maps a text in the service's bytes to "before" or "after": the connection is cut before or after they are
    forwarded.
    """

    def __init__(self, url):
        rest, database = url.rsplit("/", 1)
        self.store_port = int(rest.rsplit(":", 1)[1])
        self.port = free_port()
        self.url = f"{rest.rsplit(':', 1)[0]}:{self.port}/{database}"
        self.pairs, self.cuts, self.cut_at, self.filter, self.server = set(), {}, [], Filter(), None
        self.refuses = False

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, limit=2**20)

    def stop(self):
        if self.server is not None:
            self.server.close()
        for pair in list(self.pairs):
            pair.abort()

    async def serve(self, reader, writer):
        if self.refuses:
            writer.transport.abort()
            return
        try:
            store_reader, store_writer = await asyncio.open_connection("127.0.0.1", self.store_port)
        except OSError:
            writer.transport.abort()
            return
        pair = Pair(writer, store_writer)
        self.pairs.add(pair)
        try:
            await asyncio.gather(self.pass_on(reader, store_writer, pair, True),
                                 self.pass_on(store_reader, writer, pair, False))
        except asyncio.CancelledError:
            pass  # the row has ended
        finally:
            self.pairs.discard(pair)
            pair.abort()

    async def pass_on(self, reader, writer, pair, is_of_service):
        tail = b""
        try:
            while data := await reader.read(65536):
                if pair.is_cut:
                    continue  # drops the bytes after a cut
                if is_of_service and (when := self.cut(tail + data)):
                    pair.is_cut = True
                    if when == "after":  # PostgreSQL gets the bytes, but its answer is lost
                        writer.write(data)
                        await writer.drain()
                        await asyncio.sleep(0.5)
                    pair.abort()
                    return
                tail = data[-128:]
                writer.write(data)
                await writer.drain()
            # One side has closed: the other is closed as well.
            if not pair.is_cut:
                pair.abort()
        except OSError:
            pair.abort()

    def cut(self, data):
        """Returns "before" or "after" if the data has a text of `cuts`, which is removed; otherwise None."""
        for text in list(self.cuts):
            if text in data:
                self.cut_at.append(text)
                return self.cuts.pop(text)
        return None

    def silence(self, new=False):
        """Drops every packet of the open connections; with `new` also those that would open another."""
        for pair in self.pairs:
            for sock in pair.sockets():
                self.filter.attach(sock)
        if new:
            for sock in self.server.sockets:
                self.filter.attach(sock)

    def speak(self):
        """Ends the silence."""
        for sock in [sock for pair in self.pairs for sock in pair.sockets()] + list(self.server.sockets):
            try:
                sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
            except OSError:
                pass  # the socket had no filter, or is closed
