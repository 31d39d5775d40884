"""Gives each request a token of its own, so that no limit per holder ends the run."""

import base64
import hashlib
import hmac
import itertools
import json
import os
import time

import schemathesis

SECRET = os.environ["TALLYMAN_AUTH_SECRET"].encode()
numbers = itertools.count()


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def token() -> str:
    claims = {"sub": f"tester-{next(numbers)}", "exp": int(time.time()) + 600, "role": "ops"}
    claims["projects"] = {"acme": "producer"}
    head = encoded(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    signed = f"{head}.{encoded(json.dumps(claims).encode())}"
    return f"{signed}.{encoded(hmac.new(SECRET, signed.encode(), hashlib.sha256).digest())}"


@schemathesis.auth(refresh_interval=None)
class Tokens:
    def get(self, case, context):
        return token()

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}
