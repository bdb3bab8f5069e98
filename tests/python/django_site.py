"""A small Django site whose people sign in by mozilla-django-oidc. The settings that differ come as JSON in `SITE`; the arguments
are those of `manage.py`."""

import json
import os
import sys
from urllib.parse import urlencode

import django
from django.conf import settings

site = json.loads(os.environ["SITE"])
provider = site["provider"]

settings.configure(
    SECRET_KEY="only-for-this-test",
    DEBUG=False,
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": site["database"]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "mozilla_django_oidc",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "mozilla_django_oidc.middleware.SessionRefresh",
    ],
    AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    # A name of its own: cookies don't heed ports, and the provider is on localhost as well.
    SESSION_COOKIE_NAME="django_session",
    LOGIN_REDIRECT_URL="/whoami",
    LOGIN_REDIRECT_URL_FAILURE="/failed",
    LOGOUT_REDIRECT_URL="/bye",
    OIDC_RP_CLIENT_ID=site["client_id"],
    OIDC_RP_CLIENT_SECRET=site["client_secret"],
    OIDC_RP_SIGN_ALGO=site["alg"],
    OIDC_RP_SCOPES="openid email profile",
    OIDC_OP_AUTHORIZATION_ENDPOINT=provider["authorization_endpoint"],
    OIDC_OP_TOKEN_ENDPOINT=provider["token_endpoint"],
    OIDC_OP_USER_ENDPOINT=provider["userinfo_endpoint"],
    OIDC_OP_JWKS_ENDPOINT=provider["jwks_uri"],
    OIDC_OP_LOGOUT_URL_METHOD=__name__ + ".provider_logout",
    OIDC_USE_PKCE=True,
    OIDC_TOKEN_USE_BASIC_AUTH=site["basic"],
    OIDC_TIMEOUT=30,
    OIDC_STORE_ID_TOKEN=True,
    # At once: every page but these asks the provider, without a word to the person (`prompt=none`).
    OIDC_RENEW_ID_TOKEN_EXPIRY_SECONDS=0,
    OIDC_EXEMPT_URLS=["/whoami", "/bye", "/failed"],
)
django.setup()

from django.core.management import execute_from_command_line  # noqa: E402, settings come first
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402


def provider_logout(request):
    """Where to send who signs out here, so that they are signed out there as well."""
    back = request.build_absolute_uri("/bye")
    query = {"id_token_hint": request.session["oidc_id_token"], "post_logout_redirect_uri": back}
    return provider["end_session_endpoint"] + "?" + urlencode(query)


def whoami(request):
    if not request.user.is_authenticated:
        return JsonResponse({}, status=401)
    return JsonResponse({"email": request.user.email})


def text(says):
    return lambda request: HttpResponse(says)


urlpatterns = [
    path("oidc/", include("mozilla_django_oidc.urls")),
    path("whoami", whoami),
    path("page", text("page")),
    path("bye", text("bye")),
    path("failed", text("failed")),
]

execute_from_command_line(sys.argv)
