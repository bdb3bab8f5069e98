# The words of Pocket ID in Rust, in English.
# Keys ending in -html hold markup; keys beginning with js- are for scripts and stand on one line.

## Everywhere
needs-scripts = This page needs JavaScript. Please allow it for this page and load it again.
toasts = Notifications alt+T
toggle-theme = Toggle theme
theme-light = Light
theme-dark = Dark
theme-system = System
my-account = My Account
logout = Logout
logo = Logo
settings = Settings
menu = Menu
skip = Skip to content
administration = Administration
users = Users
user-groups = User Groups
oidc-clients = OIDC Clients
application-configuration = Application Configuration
powered-by = Powered by Pocket ID in Rust { $version }
cancel = Cancel
close = Close
save = Save
delete = Delete
rename = Rename
dismiss = Dismiss
name = Name
or = or
go-back = Go back
go-home = Go back to home
submit = Submit

## Fields
username = Username
email = Email
first-name = First name
last-name = Last name
display-name = Display Name

## Signing in
sign-in-title = Sign in
login-title = Sign in to { $app }
login-lead = Use your passkey to continue.
authenticate = Authenticate
sign-in = Sign in
sign-up = Sign Up
autofill-hint = Select this field to pick a passkey that your browser suggests.
no-passkey = Don't have access to your passkey?
alternative-methods = Alternative Sign In Methods
alternative-title = Alternative Sign In
alternative-lead = Choose another way to sign in.
login-code = Login Code
login-code-text = Enter a code that your administrator gave you.
use-passkey = Use your passkey instead?
use-code = Use a login code
code-lead = Enter the code you received to sign in.
code = Code

## First run
sign-up-title = Sign Up
setup-title = Sign Up to { $app }
setup-lead = Create the first account. It becomes the administrator; the passkey comes next.
setup-code = Set-up code
setup-code-hint = The server printed it when it started. It is asked because this page was opened from another network.
add-passkey = Add Passkey
add-passkey-title = Set up your passkey
add-passkey-lead = A passkey replaces the password: you sign in with your fingerprint, your face, your screen lock or a security key.
skip-for-now = Skip for now
skip-passkey-title = Skip Passkey Setup
skip-passkey-text = Without a passkey you cannot sign in again on your own: once this session ends you need a login code. You can add one later in your account.

## Where passkeys cannot work
passkeys-need-https = Passkeys don't work at this address
passkeys-need-https-text-html = Browsers allow passkeys only over HTTPS or on localhost, and this page was opened at <strong>{ $address }</strong>. Put a reverse proxy with a certificate in front of the server and set <code>APP_URL</code> to its https address, or open the page on the server itself at http://localhost.
passkeys-elsewhere = Passkeys belong to another address
passkeys-elsewhere-text-html = This page was opened at <strong data-here>{ $address }</strong>, but passkeys are bound to <strong>{ $url }</strong>. Continue there. If that address is wrong, set <code>APP_URL</code> and restart the server.
passkeys-go-there = Continue at the right address

## Signing in to a client
interaction-ask-html = Do you want to sign in to <strong>{ $client }</strong> with your { $app } account?
interaction-account-html = Do you want to use the following account to continue to <strong>{ $client }</strong>?
interaction-wants-html = <strong>{ $client }</strong> wants to access the following information:
interaction-missing = This page belongs to signing in to an app, and its address is incomplete. Go back to the app and sign in again.
interaction-error-unknown = An unknown error occurred.
other-account = Use a different account
scope-email = Email
scope-email-text = Your e-mail address
scope-profile = Profile
scope-profile-text = Your name, username and picture
scope-groups = Groups
scope-groups-text = The groups you belong to
scope-other-text = Access an API on your behalf
error = Error

## Signing out
sign-out = Sign out
logout-ask-html = Do you want to sign out of { $app } with the account <strong>{ $username }</strong>?
logout-then-html = Afterwards you return to <strong>{ $client }</strong>.
signed-out = You are signed out
signed-out-text = Nobody is signed in to { $app } in this browser.
continue-to = Continue to { $client }

## Own account
account-title = Account Settings
account-details = Account Details
account-details-text = How you appear here and in the apps you sign in to.
account-details-locked = Your administrator manages these details.
account-saved = Account details updated successfully
passkeys = Passkeys
passkeys-text = What you sign in with. Keep at least two, on different devices.
passkeys-none = You have no passkey yet.
passkey-missing = Passkey missing
passkey-missing-text = Add one now: without a passkey you can't sign in again when this session ends.
single-passkey = Single Passkey Configured
single-passkey-text = If you lose this one you are locked out. Add a second passkey on another device.
added-on = Added on
last-used = Last used
passkey-synced = Synced
name-passkey = Name Passkey
name-passkey-text = A name helps you to tell your passkeys apart.
delete-passkey-title = Delete { $name }
delete-passkey-text = You will no longer be able to sign in with this passkey.
delete-last-passkey-text = This is your last passkey. Without one you cannot sign in again on your own: once this session ends you need a login code. Type its name to delete it all the same.
passkey-deleted = Passkey deleted successfully
passkey-renamed = Passkey name updated successfully

## Errors
error-title = Something went wrong
error-not-found = Not Found
error-not-found-text = There is no page at this address. It may have moved, or the link is incomplete.
error-forbidden = Not allowed
error-forbidden-text = Your account may not open this page.
error-too-many = Too many requests
error-too-many-text = { $n ->
    [one] Please wait one second and try again.
   *[other] Please wait { $n } seconds and try again.
}
error-unavailable = Not ready
error-unavailable-text = The server is busy or still starting. Please try again in a moment.
error-internal-text = The server met a problem that it did not expect. Please try again; if it stays, tell your administrator.
request-id = Request ID:

## For scripts
js-cancel = Cancel
js-copied = Copied
js-copy-failed = Copying was not allowed; select the text and copy it by hand
js-unknown = An unknown error occurred
js-network = The server could not be reached
js-try-again = Try again
js-waiting = Follow the instructions of your browser
js-please-try-again = { $error }. Please try again.
js-please-sign-in-again = { $error }. Please try to sign in again.
js-rate-limited = Too many attempts. Please wait { $seconds } seconds
js-signed-out = You have been signed out
js-request-expired = Your passkey request has expired
js-passkey-unreadable = We couldn't process the response from your passkey
js-passkey-unverified = We couldn't verify your passkey
js-passkey-needs-pin = The passkey has to check that it is you: set up its PIN, fingerprint or face (a security key needs a FIDO2 PIN)
js-passkey-synced = Synced passkeys are not allowed by your administrator
js-passkey-canceled = The passkey prompt was canceled or timed out
js-passkey-aborted = Passkey verification was canceled
js-passkey-missing = This browser does not support passkeys. Use another browser or an alternative sign-in method
js-passkey-domain = Passkeys cannot be used on the configured domain. Contact your administrator to fix this issue
js-passkey-registered = This passkey was previously registered
js-passkey-incapable = This device does not support the type of passkey required
js-passkey-failed = The passkey could not be used
js-required = This field is required
js-bad-email = Invalid email address
js-bad-url = Invalid URL
js-too-short = At least { $n } characters
js-too-long = At most { $n } characters
js-too-small = The smallest value is { $n }
js-too-big = The largest value is { $n }
js-username-start = Username must start with an alphanumeric character
js-username-end = Username must end with an alphanumeric character
js-username-letters = Only letters, digits, dots, underscores, hyphens and @ are allowed
js-fix-fields = Please check the marked fields
js-conflict = Somebody else changed this in the meantime. Compare the marked fields, then save again
js-theirs = Now stored: { $value }
js-use-theirs = Use the stored value
js-empty = (empty)
js-saved-passkey = Passkey added
