"""Reads a Z6 event log of format 2 (docs/EVENT_LOG.md); prints event counts and latencies."""
import hashlib, struct, sys, zlib

# Kind: name and, for the plain records, fields: n number, b byte, p population, a actor.
KINDS = {
    1: ("sent", None), 2: ("done", None), 3: ("failed", None), 4: ("wake", ""),
    5: ("connected", "nn"), 6: ("connect_failed", "nnbn"), 7: ("connection_closed", "nb"),
    8: ("stop", "b"), 0x0A: ("tcp_ready", "n"), 0x10: ("vu_started", "an"), 0x11: ("vu_stopped", "a"),
    0x12: ("connect_started", "nnn"), 0x13: ("connection_released", "nb"),
    0x14: ("connect_timed_out", "n"), 0x15: ("not_on_wire", "pannnnbn"),
    0x16: ("never_sent", "pannnnb"), 0x17: ("timed_out", "n"), 0x18: ("in_flight_at_stop", "n"),
    0x19: ("end_reached", "bn"), 0x1A: ("finished", ""),
    0x09: ("redirected", None), 0x1B: ("redirect_failed", None), 0x20: ("sample", "n" * 10),
    0x21: ("log_stalled", "n"), 0x1C: ("vu_started", "pan"), 0x1D: ("vu_stopped", "pa"),
    0x0B: ("connected_as", "nnbnn"), 0x0C: ("streams_allowed", "nn"), 0x0D: ("going_away", "nnn"),
    0x0E: ("resent", None), 0x0F: ("sent", None), 0x22: ("http2_sample", "n" * 11),
    0x24: ("note", None), 0x30: ("value", None), 0x31: ("checks_failed", "nn")}

class Block:
    """The records of one payload, with the state of the document's section on prediction."""
    def __init__(self, payload, worker, loops, base, stamps):
        self.bytes, self.at, self.base, self.slots, self.requests = payload, 0, base, {}, {}
        self.stamps, self.waiting = stamps, []
        self.worker, (self.workers, self.shard, self.shards) = worker, loops
        self.last = dict(tick=base, actor=0, step=0, request=0, target=0, population=0,
                         request_bytes=0, status=0, received_bytes=0, length_is_input=0)

    def byte(self):
        self.at += 1
        return self.bytes[self.at - 1]

    def number(self):
        byte = self.byte()
        return byte if byte < 0x80 else byte - 0x80 + (self.number() << 7)

    def difference(self, previous):
        z = self.number()
        return (previous + (z >> 1 if z % 2 == 0 else ~(z >> 1))) % 2**64

    def ago(self, tick):
        return (tick - self.number()) % 2**64

    def slot(self, number):
        last = self.last
        actor = (number * self.workers + self.worker) * self.shards + self.shard
        unseen = dict(actor=actor, step=last["step"] - 1,
                      connection=number, request=last["request"], target=last["target"],
                      population=last["population"], end=self.base)
        return dict(self.slots.get(number, unseen))

    def of_request(self, request):
        names = ("request_bytes", "length_is_input", "status", "received_bytes")
        unseen = {name: self.last[name] for name in names}
        return dict(self.requests.get(request, unseen))

    def remember(self, number, slot, request=None):
        self.slots.update({number: slot} if number < 1 << 18 else {})
        if request and slot["request"] < 1 << 10:
            self.requests[slot["request"]] = request

    def end(self, number, slot, tick, request=None):
        self.remember(number, dict(slot, end=tick), request)
        self.waiting += [number] if len(self.waiting) < 256 else []

    def sent(self, tick, _name, _fields, kind):
        is_next, last = kind == 0x0F, self.last
        number, flags = (self.waiting.pop(0), 0) if is_next else (self.number(), self.byte())
        self.waiting = self.waiting if is_next else []
        slot = self.slot(number)
        more = self.byte() if flags & 0x80 else 0
        step = last["step"] if flags & 1 else (slot["step"] + 1) % 2**64
        slot["actor"] = self.difference(last["actor"]) if flags & 1 else slot["actor"]
        slot["step"] = self.difference(last["step"]) if flags & 2 else step
        slot["request"] = self.number() if flags & 4 else slot["request"]
        slot["connection"] = self.number() if flags & 8 else slot["connection"]
        request = self.of_request(slot["request"])
        request["request_bytes"] = self.number() if flags & 16 else request["request_bytes"]
        planned = self.ago(tick) if flags & 0x40 else last["tick"] if flags & 0x20 else slot["end"]
        slot["population"] = self.byte() if more & 1 else slot["population"]
        slot["target"] = self.number() if more & 2 else slot["target"]
        self.byte() if more & 4 else 0  # attempt
        written = self.number() if more & 8 else request["request_bytes"]
        last.update({name: value for name, value in slot.items() if name in last})
        request["length_is_input"] ^= more >> 4 & 1
        last.update(request_bytes=request["request_bytes"], length_is_input=request["length_is_input"])
        self.remember(number, slot, request)
        return slot | dict(exchange=number, planned=planned, sent=tick, written=written,
                           request_bytes=request["request_bytes"])

    def done(self, tick, *_):
        number, last = self.number(), self.last
        slot, (flags, more) = self.slot(number), self.flags()
        request = self.of_request(slot["request"])
        self.ago(tick) if flags & 1 else tick  # first byte
        request["status"] = self.number() if flags & 2 else request["status"]
        request["received_bytes"] = self.number() if flags & 4 else request["received_bytes"]
        _unsent, _failure = flags & 8 and self.number(), flags & 64 and self.byte()
        self.number() if more & 4 else 0  # irregularities
        arrival = self.number() if self.stamps else 0
        last["status"], last["received_bytes"] = request["status"], request["received_bytes"]
        self.end(number, slot, tick, request)
        return dict(request, exchange=number, arrival=arrival)

    def flags(self):
        flags = self.byte()
        return flags, self.byte() if flags & 0x80 else 0

    def failure(self):
        (flags, more), _error, _detail = self.flags(), self.byte(), self.number()
        _, received, _ = [self.number() if flags & bit else 0 for bit in (1, 2, 4)]
        self.number() if more & 4 else 0  # irregularities
        return received, self.number() if self.stamps else 0

    def resent(self, *_):
        number, _cause, _received = self.number(), self.byte(), self.failure()
        return dict(resent=number)

    def failed(self, tick, *_):
        number, (received, arrival) = self.number(), self.failure()
        self.end(number, self.slot(number), tick)
        return dict(exchange=number, received_bytes=received, arrival=arrival)

    def redirected(self, *_):
        number, (flags, more), _first_byte, _status = self.number(), self.flags(), self.number(), self.number()
        _received, _unsent = self.number(), flags & 1 and self.number()
        _target, _request_bytes = self.number(), self.number()
        self.number() if more & 4 else 0  # irregularities
        self.number() if self.stamps else 0
        return dict(redirected=number)

    def redirect_failed(self, tick, *_):
        number, _error, _detail = self.number(), self.byte(), self.number()
        self.end(number, self.slot(number), tick)
        return dict(exchange=number, received_bytes=0)

    def value(self, *_):
        _slot, _variable, form = self.number(), self.number(), self.byte()
        if form in (2, 6):
            self.at += 16 if form == 6 else 0
            self.number()
        length = self.number() if form in (1, 4) else 16 if form == 3 else 0
        self.at += length
        return {}

    def note(self, *_):
        _about, _slot, length = self.byte(), self.number(), self.number()
        self.at += length
        return {}

    def plain(self, tick, name, fields, _kind):
        for field in fields:
            value = (self.number() if field == "n" else self.byte() if field == "b" else
                     self.last.update(population=self.byte()) if field == "p" else
                     self.last.update(actor=self.difference(self.last["actor"])))
        if name not in ("timed_out", "in_flight_at_stop"):
            return {}
        self.end(value, self.slot(value), tick)
        return dict(exchange=value, received_bytes=0)

    def events(self):
        while self.at < len(self.bytes):
            kind = self.byte()
            if kind >= 0x80:
                self.at = self.number() + self.at
                continue
            tick = self.last["tick"] + (self.number() if kind & 0x40 else 0)
            kind &= 0x3F
            name, fields = KINDS[kind]
            yield tick, name, getattr(self, name if fields is None else "plain")(tick, name, fields, kind)
            self.last["tick"] = tick

def blocks(log):
    """Yields (kind, worker, base, payload), checking every CRC and the chain."""
    end = 16 + struct.unpack_from("<I", log, 12)[0] + 4
    assert log[:10] == b"\x89Z6L\r\n\x1a\n\x02\x00"
    assert struct.pack("<I", zlib.crc32(log[:end - 4])) == log[end - 4:end]
    digest, at, number, kind = hashlib.sha256(log[:end]).digest(), end, 0, 0
    while kind != 4:
        mark, kind, phase, worker, found, _, base, _, length, crc, previous, check = \
            struct.unpack_from("<4sBBHQQQIII32sI", log, at)
        block = log[at:at + 80 + length]
        assert (mark, phase, found, previous) == (b"\xc6Z6B", 0, number, digest)
        assert check == zlib.crc32(block[:76])
        assert zlib.crc32(block[80:]) == crc
        digest, at, number = hashlib.sha256(block).digest(), at + len(block), number + 1
        yield kind, worker, base, block[80:]
    assert log[at:] == digest

def main():
    log = open(sys.argv[1], "rb").read()
    loops, counts, lines, started = struct.unpack_from("<HHH", log, 24), {}, [], {}
    stamps = struct.unpack_from("<I", log, 32)[0] & 1
    for kind, worker, base, payload in blocks(log):
        for tick, name, e in Block(payload, worker, loops, base, stamps).events() if kind == 1 else ():
            counts[name] = counts.get(name, 0) + 1
            if name == "redirected":
                started[worker, e["redirected"]].update(request_bytes=0, written=0, redirected=1)
            elif name == "resent" and "redirected" not in started[worker, e["resent"]]:
                del started[worker, e["resent"]]  # nobody processed it
            elif name == "sent":
                first = started.setdefault((worker, e["exchange"]), e)
                first.update(request_bytes=e["request_bytes"], written=e["written"])
            elif "exchange" in e:
                s = started.pop((worker, e["exchange"]))
                lines.append(
                    "{1} w{2} x{exchange} vu{actor} step{step} request{request} target{target} "
                    "conn{connection} status={3} bytes={request_bytes}/{written}/{4} "
                    "response_ns={0} service_ns={5}".format(
                        tick - s["planned"], name, worker, e.get("status", 0),
                        e["received_bytes"], tick - s["sent"], **s)
                    + (" read_lag_ns={}000".format(e["arrival"] - 1) if e.get("arrival") else ""))
    counted = [f"count {name} {counts[name]}" for name in sorted(counts)]
    print(*counted, *lines, "digest " + log[-32:].hex(), sep="\n")

main()
