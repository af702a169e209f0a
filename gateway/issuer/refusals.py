"""What the issuer refuses; the codes, in lower case, are the ones GoTrue's clients know."""

from shared.errors import Conflict, Forbidden, InvalidInput, NotFound


class InvalidCredentials(InvalidInput):
    """No account has this address and this password."""

    reason = "INVALID_CREDENTIALS"


class WeakPassword(InvalidInput):
    """The password is too short or too long."""

    reason = "WEAK_PASSWORD"
    http_status = 422


class InvalidEmail(InvalidInput):
    """This is no e-mail address."""

    reason = "EMAIL_ADDRESS_INVALID"


class UserExists(Conflict):
    """The address has an account."""

    reason = "USER_ALREADY_EXISTS"
    http_status = 422


class SignupClosed(Forbidden):
    """Strangers may not create an account here."""

    reason = "SIGNUP_DISABLED"
    http_status = 422


class RefreshTokenUnknown(InvalidInput):
    """The refresh token was never given out, or its login has ended."""

    reason = "REFRESH_TOKEN_NOT_FOUND"


class RefreshTokenReused(InvalidInput):
    """The refresh token was used before: somebody has a copy, so its whole login has ended."""

    reason = "REFRESH_TOKEN_ALREADY_USED"


class LoginEnded(Forbidden):
    """The login that an access token belongs to has ended."""

    reason = "SESSION_NOT_FOUND"


class UnsupportedGrant(InvalidInput):
    """The grant type is none of ours."""

    reason = "UNSUPPORTED_GRANT_TYPE"


class NoSuchUser(NotFound):
    """The account is gone."""

    reason = "USER_NOT_FOUND"
