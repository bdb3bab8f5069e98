"""A relying party by other hands: Authlib, told line by line what to do. Each line is `{"do": …}`, each answer `{"ok": …}` or
`{"error": …}`; the key, the metadata and the sign-in under way stay here."""

import json
import sys
import time
from urllib.parse import parse_qsl, urlsplit

from authlib.integrations.base_client import BaseApp, FrameworkIntegration, OAuth2Mixin, OAuthError, OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2 import OAuth2Error, ResourceProtector, rfc9101, rfc9207
from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oidc import rpinitiated
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc.jwk import ECKey, KeySet


class Application(OAuth2Mixin, OpenIDMixin, BaseApp):
    """What Authlib's clients for web frameworks are made of, without a framework."""

    client_cls = OAuth2Session


class Framework(FrameworkIntegration):
    """A framework that keeps no tokens: a test has them in its hand."""

    def update_token(self, token, refresh_token=None, access_token=None):
        pass


class Api(JWTBearerTokenValidator):
    """An API that reads access tokens by itself (RFC 9068)."""

    def get_jwks(self):
        return KeySet.import_key_set(app.fetch_jwk_set())


key = None
app = None
under_way = {}


def session():
    return app._get_oauth_client(**app.load_server_metadata())


def endpoint(name):
    return app.load_server_metadata()[name + "_endpoint"]


def answer(response):
    """What Authlib hands on as it came."""
    response.raise_for_status()
    return response.json() if response.content else True


class ShortLived(PrivateKeyJWT):
    """Authlib's own assertions live an hour; the provider takes none that live longer than five minutes."""

    def sign(self, auth, token_endpoint):
        # Anew each time: what is signed is added to these.
        self.claims = {"exp": int(time.time()) + 240}
        return super().sign(auth, token_endpoint)


def make_key(kid):
    """A key pair; gives the public half."""
    global key
    key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"}, private=True)
    return {"keys": [key.as_dict(private=False)]}


def discover(issuer, client_id, secret, method):
    """Reads the metadata and takes on a client's part; gives the metadata."""
    global app
    by_key = method == "private_key_jwt"
    app = Application(
        Framework("pid"),
        name="pid",
        client_id=client_id,
        client_secret=key if by_key else secret,
        server_metadata_url=issuer + "/.well-known/openid-configuration",
        client_kwargs={
            "token_endpoint_auth_method": method,
            "revocation_endpoint_auth_method": method,
            "code_challenge_method": "S256",
            "default_timeout": 30,
        },
        client_auth_methods=[ShortLived(alg="ES256", headers={"kid": key.kid})] if by_key else None,
    )
    return app.load_server_metadata()


def authorize(redirect_uri, parameters):
    """Where to send the browser."""
    global under_way
    made = app.create_authorization_url(redirect_uri, **parameters)
    under_way = {"redirect_uri": redirect_uri, **made}
    return made["url"]


def callback(url, verifier=None):
    """What the browser brought, taken as Authlib's clients take it. `verifier` instead of the right one."""
    came = dict(parse_qsl(urlsplit(url).query))
    if "error" in came:
        raise OAuthError(error=came["error"], description=came.get("error_description"))
    if came["state"] != under_way["state"]:
        raise ValueError("an answer to another question")
    state = {**under_way, "code_verifier": verifier or under_way["code_verifier"]}
    tokens = app.fetch_access_token(**app._format_state_params(state, {"code": came["code"], "state": came["state"]}))
    return {**tokens, "claims": app.parse_id_token(tokens, nonce=under_way["nonce"])}


def userinfo(token):
    told = app.userinfo(token={"access_token": token, "token_type": "Bearer"})
    told.validate_locale()
    return told


def refresh(token):
    tokens = session().refresh_token(endpoint("token"), refresh_token=token)
    # A nonce need not be told again (OpenID Connect Core §12.2).
    return {**tokens, "claims": app.parse_id_token(tokens, nonce=None)}


def introspect(token):
    return answer(session().introspect_token(endpoint("introspection"), token=token))


def revoke(token):
    return answer(session().revoke_token(endpoint("revocation"), token=token))


def itself(parameters):
    return session().fetch_token(endpoint("token"), grant_type="client_credentials", **parameters)


def at_api(token, resource, scope):
    """What an API reads in the access token of a request."""
    api = ResourceProtector()
    api.register_token_validator(Api(app.load_server_metadata()["issuer"], resource))
    return api.validate_request([scope], OAuth2Request("GET", resource, headers={"Authorization": "Bearer " + token}))


def end_session(parameters):
    """Where to send the browser to sign out, and the state to come back with."""
    return app.create_logout_url(**parameters)


def judge(metadata):
    """Reads metadata by the letter of the specifications."""
    more = [rfc9101.AuthorizationServerMetadata, rfc9207.AuthorizationServerMetadata]
    AuthorizationServerMetadata(metadata).validate(metadata_classes=more)
    OpenIDProviderMetadata(metadata).validate(metadata_classes=[*more, rpinitiated.OpenIDProviderMetadata])
    return True


ACTIONS = {
    action.__name__: action
    for action in (
        make_key, discover, authorize, callback, userinfo, refresh, introspect, revoke, itself, at_api, end_session, judge
    )
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        said = {"ok": ACTIONS[request.pop("do")](**request)}
    except (OAuthError, OAuth2Error) as error:
        said = {"error": {"error": error.error, "message": str(error)}}
    except Exception as error:
        body = getattr(getattr(error, "response", None), "text", None)
        said = {"error": {"name": type(error).__name__, "message": str(error), "body": body}}
    print(json.dumps(said), flush=True)
