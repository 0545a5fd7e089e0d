"""HTTP/1.1 as a client that measures speaks it."""


def request_bytes(method: str, path: str, authority: str, body: bytes | None = None) -> bytes:
    """One request as it goes over the wire; `authority` is host:port, `body` is JSON.

    Only the headers a server needs: everything more is parsed again a million times.
    """
    lines = [f"{method} {path} HTTP/1.1", f"host: {authority}"]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")
