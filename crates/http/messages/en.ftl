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
use-device = Use another device
code-asks = This code signs you in to { $app } at { $host } on this device. It is for apps alone: your account and the administration stay closed. Go on only if you made it yourself.
code-lead = Enter the code you received to sign in.
code = Code

## Signing in with another device
other-device = Sign in with another device
other-device-lead = Scan a QR code with a device that has your passkey.
device-login-qr = Device login QR code
device-login-visit-html = Visit <strong>{ $url }</strong> and enter:
number-shown = There you are asked for this number:
waiting-for-approval = Waiting for approval
device-login-review = Review the requesting device before approving this sign in.
device-login-warning = Approving signs that device in as you. Go on only if it is yours and stands in front of you. Nobody else may ask you to.
number-asked = Number that the other device shows
approve = Approve
device-login-approved = The requesting device has been signed in.
device-login-approved-text = It goes on by itself. You can close this page.
another-code = Enter another code

## Letting a device in
authorize-device = Authorize Device
authorize = Authorize
deny = Deny
device = Device
ip-address = IP Address
device-lead = Enter the code that was displayed in the previous step.
device-problem = { $error }. Please try again.
device-ask-html = Do you want to sign in to <strong>{ $client }</strong> on another device with your { $app } account?
device-warning = Go on only if you started this yourself and the same code stands on your device. Nobody else may ask you to.
device-authorized = The device has been authorized.
device-go-back = Go back to it; it goes on by itself in a few seconds. You can close this page.
device-denied = The sign-in request was denied.
device-denied-text = The device gets no access.

## Signing up
signup-lead = Create your account to get started.
signup-approval-lead = An administrator approves it before you can sign in.
signup-domains-only = Only addresses of these domains: { $domains }
signup-disabled = User signups are currently disabled.
signup-needs-token = A valid signup token is required to create an account.
signup-bad-token = This invitation has expired or has been used up. Ask for another one.
go-to-login = Go to login
approval-title = Waiting for approval
approval-text-html = Your account <strong>{ $username }</strong> was created. You can sign in with your passkey as soon as an administrator has approved it.
check-again = Check again

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
stay-here = Stay here
return-to-app = Return to the app
interaction-error-unknown = An unknown error occurred.
other-account = Use a different account
scope-email = Email
scope-email-text = Your e-mail address
scope-profile = Profile
scope-profile-text = Your name, username and picture
scope-groups = Groups
scope-groups-text = The groups you belong to
claim-text = A single detail that the app asks for
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
error-limited = Only for signing in to apps
error-limited-text = You signed in here with a login code that you made yourself. It signs you in to your apps and opens nothing else. Sign in with your passkey to open this page.
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
js-device-login-begins = Creating sign-in request...
js-device-login-expired = Your QR code has expired. Please start the sign-in process again.
js-required = This field is required
js-bad-email = Invalid email address
js-bad-url = Invalid URL
js-bad-resource = Resource must not include whitespace or a fragment
js-not-future = Expiration date must be in the future
js-too-short = At least { $n } characters
js-too-long = At most { $n } characters
js-too-small = The smallest value is { $n }
js-too-big = The largest value is { $n }
js-username-start = Username must start with an alphanumeric character
js-username-end = Username must end with an alphanumeric character
js-username-letters = Only letters, digits, dots, underscores, hyphens and @ are allowed
js-twice = This is there twice
js-no-null = null is no value: leave the claim out instead
js-fix-fields = Please check the marked fields
js-conflict = Somebody else changed this in the meantime. Compare the marked fields, then save again
js-theirs = Now stored: { $value }
js-use-theirs = Use the stored value
js-empty = (empty)
js-on = On
js-off = Off
js-saved-passkey = Passkey added

## Administration: lists
search = Search...
items-per-page = Items per page
page-n = Page { $n }
previous-page = Go to previous page
next-page = Go to next page
toggle-menu = Toggle menu
actions = Actions
no-items = No items found
edit = Edit
back = Back
yes = Yes
no = No
enabled = Enabled
disabled = Disabled
expired = Expired
never = Never
add = Add
add-another = Add another
click-to-copy = Click to copy
tab-general = General
delete-title = Delete { $name }
from-directory = A directory (LDAP) manages this record; change it there.
members = { $n ->
    [one] One member
   *[other] { $n } members
}

## Administration: custom claims
custom-claims = Custom Claims
claim-key = Key
claim-value = Value
add-claim = Add custom claim
remove-claim = Remove custom claim
claims-saved = Custom claims updated successfully

## Administration: users
users-lead = Everybody who may sign in to { $app }.
manage-users = Manage Users
add-user = Add User
create-user = Create User
create-user-text = Add a new user to { $app }.
role = Role
role-admin = Admin
role-user = User
status = Status
enable = Enable
disable = Disable
email-verified = Email verified
email-verified-hint = Apps are told that the address belongs to this person.
admin-privileges = Admin Privileges
admin-privileges-hint = May change everything here.
account-disabled = Account Disabled
account-disabled-hint = May not sign in; sessions and tokens end at once.
user-created = User created successfully
user-updated = User updated successfully
user-approved = User approved successfully
awaits-approval = Waiting for approval
awaits-approval-text = This person signed up and can't sign in until you approve the account. To turn them away, delete it.
create-options = Create options
create-signup-token = Create Signup Token
view-signup-tokens = View Active Signup Tokens
signup-token = Signup Token
signup-token-text = Who gets the link can sign up, whatever the mode of sign-up is.
usage-limit = Usage Limit
token-groups-hint = Without any, who signs up gets the default groups.
manage-tokens = Manage Signup Tokens
token = Token
usage = Usage
expires = Expires
active = Active
used-up = Used Up
used-of = { $used } of { $limit }
copy = Copy
delete-signup-token = Delete Signup Token
delete-signup-token-text = Nobody can sign up by its link any more. Accounts that were made by it stay.
signup-token-deleted = Signup token deleted successfully.
user-enabled = User has been enabled successfully.
user-disabled = User has been disabled successfully.
user-deleted = User deleted successfully
disable-user-title = Disable { $name }
disable-user-text = They are signed out everywhere and can't sign in until you enable them again.
delete-user-text = The account, its passkeys and its sessions are removed for good.
user-title = User Details { $name }
user-id = ID
no-groups = There are no groups yet.
user-groups-saved = User groups updated successfully
user-no-passkeys = This user has no passkeys yet.
delete-their-passkey-text = They can no longer sign in with this passkey.
user-claims-text = Apps get these claims with the scope profile. A user's own claim wins over one of a group.
login-code-dialog-text = A code signs this person in once, in place of their passkey.
expiration = Expiration
one-hour = 1 hour
twelve-hours = 12 hours
one-day = 1 day
one-week = 1 week
one-month = 1 month
show-code = Show Code
or-visit = or visit
login-code-once = It is shown only now. Give it to nobody but the person it is for.

## Administration: groups
groups-lead = Groups say who may enter which app, and apps are told them.
manage-groups = Manage User Groups
add-group = Add Group
create-group = Create User Group
create-group-text = The friendly name is for people, the name for apps.
friendly-name = Friendly Name
user-count = User Count
group-name-hint = The value in the groups claim.
group-created = User group created successfully
group-updated = User group updated successfully
group-deleted = User group deleted successfully
delete-group-text = Its members lose what they have through it. Apps restricted to it alone admit nobody then.
group-title = User Group Details { $name }
group-id = ID
group-members = Members
add-members = Add members
no-candidates = Nobody else is found.
more-candidates = There are more. Search for a name, a username or an address.
group-users-saved = Users updated successfully
allowed-clients = Allowed OIDC Clients
group-clients-text = Members may sign in to the chosen apps.
everybody-may = Everybody may use it
group-clients-saved = Allowed OIDC clients updated successfully
group-claims-text = Apps get these claims for every member, with the scope profile.

## Administration: OIDC clients
clients-lead = The apps that people sign in to with { $app }.
manage-clients = Manage OIDC Clients
add-client = Add OIDC Client
create-client = Create OIDC Client
create-client-text = After saving you get the client ID, the secret and the addresses for the app.
who-may-enter = Who may sign in
everybody = Everybody
nobody-yet = Nobody yet
n-groups = { $n ->
    [one] One group
   *[other] { $n } groups
}
public = Public
reauthentication = Re-authentication
delete-client-text = Nobody can sign in to this app any more, and its tokens end.
client-deleted = OIDC client deleted successfully
client-created = OIDC client created successfully
client-updated = OIDC client updated successfully
client-title = OIDC Client { $name }
description = Description
callback-urls = Callback URLs
callback-hint = Where the app may be returned to, exactly as it asks. A * stands for a part of one host label or path segment; ** for several segments.
logout-callback-urls = Logout Callback URLs
logout-callback-hint = Where the app may lead people after signing out.
remove-url = Remove URL
launch-url = Client Launch URL
launch-hint = Where a person opens the app.
public-client = Public Client
public-hint = For apps that can't keep a secret, such as single-page and mobile apps. PKCE protects them.
pkce = PKCE
pkce-hint = Protects the code on its way to the app. Leave it on unless the app can't do it.
restrict-to-groups = Restrict to groups
restrict-hint = Only members of the groups that you choose next may sign in; off: everybody may.
advanced-options = Show Advanced Options
api-signing-alg = Signature of access tokens
api-signing-alg-default = As the client's tokens
api-signing-alg-hint = What the API can read.
resource-server = The API's own client
resource-server-none = None
resource-server-hint = As this client the API may ask what a token for it is worth (introspection).
requires-par = Requires Pushed Authorization Requests
requires-par-hint = The app sends its requests to the server first (PAR); the browser carries only a reference.
dpop-bound = Bind tokens to a key (DPoP)
dpop-bound-hint = Access tokens are good only together with a proof of the app's key. The app must support DPoP.
signing-alg = Signature of tokens
signing-alg-default = As the instance (RS256)
signing-alg-hint = Signs the app's ID, access and logout tokens. Every OpenID app can read RS256.
client-authentication = Client authentication
client-authentication-text = Most apps use a client secret. An app that signs with a key of its own needs none: register its public keys, or where it publishes them.
auth-method = Method
auth-method-any = Whatever it has credentials for
auth-method-basic = Client secret in the header (client_secret_basic)
auth-method-post = Client secret in the form (client_secret_post)
auth-method-key = Signed with its key (private_key_jwt)
auth-method-none = None: it only names itself
jwks-uri = JWKS URL
jwks-uri-hint = Where the app publishes its public keys. Takes the place of the keys below.
jwks = Public keys (JWKS)
jwks-hint = A JWK set as JSON. They check the app's assertions and signed requests.
client-id = Client ID
client-id-hint = Letters, digits, dots, underscores and hyphens. It can't be changed later.
requires-reauthentication = Requires Re-Authentication
requires-reauthentication-hint = People confirm with their passkey at every sign-in to this app.
skip-consent = Skip Consent Screen
skip-consent-hint = People are not asked what the app may see.
audience-everybody = Everybody with an account can sign in.
audience-nobody = Nobody can sign in yet.
audience-nobody-text = Choose the groups that may, or lift the restriction, under Allowed User Groups.
audience-groups = Members of these groups can sign in: { $groups }.
pkce-supported = This client supports PKCE
pkce-supported-text = Switch PKCE on to require it.
connection = Connect the app
connection-text = What the app's settings ask for.
client-secret = Client secret
secret-once = copy it now, it is not shown again.
discovery-url = OIDC Discovery URL
logout-url = Logout URL
issuer-url = Issuer URL
authorization-url = Authorization URL
token-url = Token URL
userinfo-url = Userinfo URL
certificate-url = Certificate URL
show-more-details = Show more details
allowed-user-groups = Allowed User Groups
credentials = Credentials
upload-logo = Upload Logo
upload-dark-logo = Upload Dark Logo
remove-logo = Remove Logo
remove-dark-logo = Remove Dark Logo
logo-saved = Logo updated successfully
logo-removed = Logo removed
access-token-lifetime = Access token lifetime
refresh-token-lifetime = Refresh token inactivity timeout
in-minutes = Minutes
unrestricted-text = Everybody with an account can sign in to this app.
restricted-text = Only members of the chosen groups can sign in to this app.
restrict = Restrict
unrestrict = Unrestrict
unrestrict-title = Unrestrict { $name }
unrestrict-text = Everybody with an account will be able to sign in.
restriction-saved = User groups restriction updated successfully
allowed-groups-saved = Allowed user groups updated successfully
client-secrets = Client secrets
public-no-secrets = Public clients cannot have client secrets.
no-secrets = This app has no client secrets yet.
created = Created
expires-at = Expires At
no-expiration = No expiration
days-30 = 30 days
days-90 = 90 days
days-180 = 180 days
days-360 = 360 days
days-720 = 720 days
add-secret = Add client secret
secret-created = New client secret created successfully
secret-deleted = Client secret deleted successfully
delete-secret-title = Delete client secret
delete-secret-text = Apps that use it can no longer sign people in.

## Administration: what a client knows and is told
id-token-lifetime = ID token lifetime
id-token-lifetime-hint = Minutes; empty: 60. It ends no session: apps check the ID token once, at sign-in.
federated-credentials = Federated Client Credentials
federated-credentials-text = For apps that get tokens from the platform they run on, such as Kubernetes or a CI: they sign in with such a token instead of a secret.
create = Create
identity = Identity
issuer = Issuer
subject = Subject
subject-hint = Empty: { $id }
audience = Audience
audience-hint = Empty: { $url }
identity-jwks-hint = Empty: /.well-known/jwks.json below the issuer
replay-protection = Replay Protection
replay-protection-hint = A token is good once. Switch it off for tokens that the platform writes to a file, which are read again and again.
add-identity = Add another federated client credential
remove-identity = Remove federated identity
claims = Claims
claim = Claim
mapping-text = Some apps expect a person's details, the claims, under other names or with other values. What you set here holds for this app alone, in ID tokens and at the userinfo endpoint. Nothing is told that the scopes of the app don't allow.
rename-claims = Rename claims
rename-claims-html = For an app that wants <code>username</code> where everybody else says <code>preferred_username</code>: <code>preferred_username → username</code>.
claim-here = Claim here
claim-at-app = Name for the app
add-rename = Rename a claim
drop-claims = Leave claims out
drop-claims-hint = The app is never told these, whatever it asks for.
constant-claims = Claims with a fixed value
constant-claims-html = The same for everybody, for example <code>tenant = home</code>. Text, or JSON such as <code>true</code>, <code>5</code> and <code>["a", "b"]</code>.
add-constant = Add a fixed value
groups-as = Groups are told as
groups-as-names = Names
groups-as-ids = IDs
groups-as-hint = An ID stays the same when a group gets another name.
group-filter = Only groups named
group-filter-hint = The app hears of groups whose name fits one of these; a * stands for any characters. Empty: of all of them.
data-preview = OIDC Data Preview
preview-text = See what this app would be told about a person, without signing anybody in.
preview-denied = This person is in none of the groups that may sign in to the app, so it would be told nothing.
preview-scopes = Choose at least one scope.
show = Show
id-token = ID Token
access-token = Access Token
userinfo = Userinfo
copy-all = Copy All

## Administration: scopes and metadata documents
own-scopes = Scopes of your own
own-scopes-lead = An app that asks for such a scope is told its claims: custom claims, or standard ones such as email. People read the description when they are asked for their consent.
own-scopes-hint = What apps ask for, what people read, and the names of the claims, separated by commas.
scope-claims = Claims, separated by commas
add-scope = Add scope
metadata-documents = Client ID Metadata Documents
metadata-documents-lead = An app can name itself by the address of a document that describes it, instead of being set up here first.
metadata-urls = Allowed metadata document URLs
metadata-urls-hint = Only documents at these addresses are read; without any, none is. A * stands for a part of one host label or path segment; ** for several segments.

## Administration: configuration
configuration-lead = Changes take effect at once.
ui-config-disabled = UI Configuration Disabled
ui-config-disabled-text = The configuration is set by environment variables. Change them there, and start the server again.
configuration-saved = Application configuration updated successfully
application-name = Application Name
application-name-hint = Shown on every page and to people who sign in.
session-duration = Session Duration
session-duration-hint = In minutes, from the sign-in on.
own-account-edit = Enable Self-Account Editing
own-account-edit-hint = People change their own name, username and address.
disable-animations = Disable Animations
disable-animations-hint = Pages stand still for everybody.
accent-color = Accent Color
accent-default = Default
accent-rose = Rose
accent-orange = Orange
accent-amber = Amber
accent-green = Green
accent-teal = Teal
accent-blue = Blue
accent-purple = Purple
email-addresses = Email
require-email = Require Email Address
require-email-hint = Accounts without an address can't be saved.
emails-verified = Emails verified by default
emails-verified-hint = New addresses count as proven.
synced-passkeys = Allow synced passkeys
synced-passkeys-hint = Passkeys that a password manager copies between devices.
authenticator-type = Allowed authenticator type
any-passkey = Any passkey
device-passkeys = Device passkeys only
security-keys = External security keys only

## Administration: user creation
user-creation = User Creation
user-creation-lead = Who may sign up, and what new accounts begin with.
user-creation-saved = User creation settings updated successfully.
enable-signups = Enable User Signups
enable-signups-hint = With a token only invited people sign up; open sign-up admits everybody who finds this page. Signup tokens work in every mode.
signups-disabled = Disabled
signups-with-token = Signup with token
signups-open = Open Signup
needs-approval = Approval by an administrator
needs-approval-hint = Who signs up adds a passkey and waits; you approve them on the users page. Holds for signup tokens, too.
default-groups-hint = What an account gets that is made without other groups.
signup-domains = Allowed email domains
signup-domains-hint = Only addresses of these domains sign up, with a signup token or without; empty: all. Subdomains count as domains of their own.
remove-domain = Remove domain
default-claims-hint = What every new account gets.

# My Apps
my-apps = My Apps
no-apps = No apps available
no-apps-text = Ask your administrator for access to apps.
show-all-apps = Show all apps ({ $n })
launch = Launch
revoke = Revoke
revoke-access = Revoke Access
revoke-access-text = { $name } signs you out and loses its access. You can sign in to it again and are asked then.
access-revoked = The access to { $name } has been successfully revoked.

# Signed-in devices
signed-in-devices = Signed-in devices
signed-in-devices-text = Where you are signed in. If you don't know one of them, sign it out and check your passkeys.
sessions-none = Not signed in anywhere.
this-device = This device
session-apps-only = Apps only
unknown-device = Unknown device
first-seen = First seen
last-seen = Last seen
began-by-passkey = Passkey
began-by-self-code = Login code of your own, only for apps
began-by-setup = First sign-in
began-by-device = Another device
began-by-code = Login code
end-session-title = Sign out { $device }?
end-session-text = The browser is signed out here, and the apps it signed in to are told to sign out too.
session-ended = Signed out
end-other-sessions = Sign out of all other devices
end-all-sessions = Sign out everywhere
end-sessions-text = All of them are signed out here and in their apps; access that apps were granted for later ends as well.
sessions-ended = Signed out everywhere else

# Login codes of one's own
create-code = Create code
own-code-text = Signs you in to apps on a device that doesn't have your passkey, a phone app for example.
own-code-dialog-text = Type or scan the code on the other device. It works once, signs in to apps only, and replaces the one before.
five-minutes = 5 minutes
fifteen-minutes = 15 minutes
or-scan = or scan
login-code-qr = QR code of the link
valid-until = Valid until

# Profile picture
profile-picture = Profile Picture
profile-picture-text = Shown here and in the apps you use. It may take a few minutes until all of them show a new one.
profile-picture-locked = Your picture is managed by the directory.
upload-picture = Upload picture
picture-saved = Profile picture updated successfully. It may take a few minutes to update.
reset-picture-title = Reset profile picture?
reset-picture-text = Your initials are shown instead.
reset-picture-text-default = The default picture is shown instead.
reset = Reset
reset-to-default = Reset to default
picture-reset = Profile picture has been reset. It may take a few minutes to update.

# Application images
images = Images
images-lead = Files of up to 12 MiB. Apps may take a few minutes to show a new one.
favicon = Favicon
favicon-hint = In the browser's tab. SVG, PNG or ICO.
light-logo = Light Mode Logo
light-logo-hint = At the top of every page. In dark mode, too, if there is no other logo for it.
dark-logo = Dark Mode Logo
dark-logo-hint = Replaces the logo on dark pages.
email-logo = Email Logo
email-logo-hint = At the top of e-mails. PNG or JPEG.
default-picture = Default Profile Picture
default-picture-hint = For people who have none, instead of their initials.
background = Background Image
background-hint = Beside the sign-in form on wide screens.
upload = Upload
images-saved = Images updated successfully. It may take a few minutes to update.
reset-image = Reset to default { $image }
reset-image-title = Reset { $image }?
reset-image-text = The uploaded file is deleted.
login-background = Login background

# Templates for clients
client-template = Template
client-template-hint = For an app that is known here its address is enough.
no-template = None
app-address = Address of the app

# Back-channel logout
backchannel-logout = Back-Channel Logout
backchannel-logout-url = Back-Channel Logout URL
backchannel-logout-hint = Here the app is told that somebody has signed out. Leave it empty if the app has no such address.
backchannel-taken-over = The back-channel logout URL was taken over from the logout callback URLs. Change or clear it here if that is not what you want.
backchannel-session-required = Session ID required
backchannel-session-hint = The app signs out one session, not the person everywhere.
deliveries-text = What the app was told lately. What can't be delivered is tried again for a day.
deliveries-no-url = Set a back-channel logout URL in the general settings to have the app sign people out when they sign out here.
deliveries-none = Nothing was sent yet.
send-test = Send test
test-sent = Test sent
delivery-test = Test
delivery-logout = Sign-out
delivery-waiting = Waiting
delivery-delivered = Delivered
delivery-failed = Failed
delivery-dropped = Not needed any more
attempts = { $n ->
    [one] { $n } attempt
   *[other] { $n } attempts
}
next-attempt = next attempt
answered-status = answered with status { $status }
failure-timeout = no answer in time
failure-target = the address is one that this server never calls
failure-name = the host name was not found
failure-tls = no secure connection; check the certificate
failure-connection = no connection

# Configuration of sign-outs
session-idle = Session Idle Timeout
session-idle-hint = In minutes without use; 0 or empty is off. The session duration stays the limit.
offline-ends = Sign-out ends offline access
offline-ends-hint = Apps with offline access lose it when the session they came from is signed out.

# Signing keys
protocol-title = OAuth and OpenID Connect
protocol-lead = Rules for all clients. Each client may be held to more on its own page.
require-par = Require pushed authorization requests
require-par-hint = Clients that can't push their requests (PAR) can no longer sign people in.
plain-pkce = Allow PKCE without hashing
plain-pkce-hint = For old apps that know only the method "plain". S256 is safer and stays available.
refresh-grace = Grace for refresh tokens (seconds)
refresh-grace-hint = How long a retry with the old refresh token gets the same answer. 0: never.
signing-keys = Signing Keys
signing-keys-lead = They sign the tokens that apps get. A new key is published for 24 hours before it signs, so apps know it in time.
rotation-days = Replace keys after (days)
rotation-days-hint = 0 or empty: only when somebody asks.
audit-stream = Audit log stream
audit-stream-lead = Every entry of the audit log is also sent to a webhook or a syslog server of yours.
audit-stream-url = Address
audit-stream-url-hint = https://… for a webhook, udp://host:514 or tcp://host:601 for syslog. Empty: nowhere.
audit-stream-secret = Signing secret
audit-stream-secret-hint = Signs what a webhook gets. At least 16 characters; enter it again when the address changes.
audit-stream-delivered = Last delivered
audit-stream-failed = Last failure
audit-stream-waiting = Entries that wait
key-next = Next
key-active = Active
key-retired = Retired
key-revoked = Revoked
signs-from = signs from
signs-since = signs since
signed-until = signed until
revoked-at = revoked
rotate-key = Rotate
key-published = The next key is published and signs in 24 hours
revoke-key-title = Revoke { $kid }?
revoke-key-text = For a key that leaked. All tokens that it signed are worth nothing at once. Apps that keep our keys for a while refuse sign-ins until they ask for them again; Nextcloud does so after an hour.
key-was-revoked = Key revoked

# API keys
api-keys = API Keys
api-keys-lead = For scripts that use the REST API in your name, with the header X-API-Key.
manage-api-keys = Manage API Keys
add-api-key = Add API Key
create-api-key = Create API Key
create-api-key-text = A script that has the key may do what you may. Give each script its own.
api-key = API Key
api-key-created = API Key Created
api-key-renewed = API key renewed
api-key-revoked = API key revoked successfully
api-key-last-used = Last Used
scopes = Scopes
scopes-hint = With none of them the key has no limits but yours. Areas add up; read only holds for all of them.
scope-read-only = Read only
scope-users = Users and groups
scope-clients = OIDC clients and APIs
scope-audit = Audit log
renew = Renew
renew-api-key = Renew API Key
renew-api-key-text = The key gets a new value; the old one stays worthless.
revoke-api-key = Revoke API Key
revoke-api-key-text = Scripts that use { $name } are refused at once.

# Audit log
audit-log = Audit Log
audit-log-lead = What happened with your account lately.
audit-log-personal = Personal
audit-log-global = Global
global-audit-log = Global Audit Log
global-audit-log-lead = What happened lately, to everybody.
export-csv = Export CSV
export-ndjson = Export NDJSON
time = Time
actor = Actor
event = Event
approximate-location = Approximate Location
client = Client
unknown = Unknown
user = User
location = Location
all-users = All Users
all-events = All Events
all-locations = All Locations
all-clients = All Clients
external-networks = External Networks
internal-networks = Internal Networks
audit-search-hint = The search looks into the latest 50,000 entries; the filters find all.
event-sign-in = Sign in
event-token-sign-in = Token Sign In
event-account-created = Account Created
event-remote-sign-in = Remote sign in
event-remote-sign-in-denied = Remote Sign In Denied
event-signup-token-created = Signup Token Created
event-signup-token-deleted = Signup Token Deleted
event-client-authorization = Client Authorization
event-new-client-authorization = New Client Authorization
event-device-code-authorization = Device Code Authorization
event-new-device-code-authorization = New Device Code Authorization
event-passkey-added = Passkey Added
event-passkey-removed = Passkey Removed
event-passkey-renamed = Passkey Renamed
event-setup-completed = Setup Completed
event-sign-out = Sign Out
event-sign-out-everywhere = Sign Out Everywhere
event-logout-notice-failed = Logout Notice Failed
event-mail-failed = Mail Not Delivered
event-logout-notice-tested = Logout Notice Tested
event-sign-in-failed = Sign In Failed
event-client-authentication-failed = Client Authentication Failed
event-token-revoked = Token Revoked
event-device-code-denied = Device Code Denied
event-code-reuse = Authorization Code Reused
event-refresh-reuse = Refresh Token Reused
event-foreign-grant = Grant of Another Client Presented
event-login-code-created = Login Code Created
event-consent-withdrawn = Consent Withdrawn
event-user-created = User Created
event-user-updated = User Updated
event-user-deleted = User Deleted
event-group-created = Group Created
event-group-updated = Group Updated
event-group-deleted = Group Deleted
event-client-created = Client Created
event-client-updated = Client Updated
event-client-deleted = Client Deleted
event-client-secret-created = Client Secret Created
event-client-secret-deleted = Client Secret Deleted
event-api-created = API Created
event-api-updated = API Updated
event-api-deleted = API Deleted
event-api-access-changed = API Access Changed
event-api-key-created = API Key Created
event-api-key-renewed = API Key Renewed
event-api-key-updated = API Key Updated
event-api-key-deleted = API Key Deleted
event-signing-key-created = Signing Key Created
event-signing-key-activated = Signing Key Activated
event-signing-key-revoked = Signing Key Revoked
event-configuration-updated = Configuration Updated

# APIs
apis = APIs
apis-lead = What apps get access tokens for, besides signing in.
manage-apis = Manage APIs
add-api = Add API
create-api = Create API
create-api-text = Permissions come next, then the clients that may ask for them.
resource = Resource
resource-hint = The address or name that apps ask for and that tokens carry as their audience. It can't be changed later.
permissions = Permissions
metadata-clients = Metadata document clients
api-created = API created successfully
api-updated = API updated successfully
api-deleted = API deleted successfully
delete-api-text = Its permissions and the access of all clients to it are removed.
api-text = Apps ask for tokens for this API by its resource, which never changes.
permission = Permission
permissions-text = The scopes of this API. A changed permission keeps its grants as long as its scope, the first field, stays the same.
add-permission = Add permission
permissions-saved = Permissions updated successfully
access = Access
access-text = Which clients may ask for tokens, and for what.
add-client-access = Add client
allow-metadata-clients = Allow all metadata document clients
allow-metadata-clients-hint = Clients that are known by the document at their address may ask for tokens in the name of people.
granted-permissions = Granted permissions
no-permissions = This API has no permissions yet.
api-access = API access
api-access-text = The APIs that this client may ask for tokens for, in the name of people or in its own.
no-api-access = This client has not been granted access to any API yet.
api-name = API Name
user-delegated-access = User-delegated access
user-delegated-access-hint = Tokens in the name of a person who signs in.
client-access = Client access (M2M)
client-access-hint = Tokens of the client's own, without a person.
client-access-public = A public client has no secret, so it gets no tokens of its own.
opened-hint = The API is open to all metadata document clients; what this one has by that can't be taken away here.
permissions-granted = { $n } / { $total } permissions granted
no-access = No access
access-saved = API access updated successfully
revoke-access-to = Revoke access to { $name }
revoke-access-for = Revoke access for { $name }
revoke-access-api-text = It gets no more tokens for the API; those that it has stay good until they expire.
more-to-search = There are more. Search for a name.

## The API for readers
api-docs = Management API
overview = Overview
api-calling = Calling the API
api-calling-html = Make a key under <a href="/settings/admin/api-keys">API Keys</a> and send it in the header <code>X-API-Key</code>. Bodies are JSON, with the header <code>Content-Type: application/json</code>.
api-errors-html = Refusals are JSON with <code>error</code> for people, <code>code</code> for programs and <code>request_id</code> for the log. Refused fields stand in <code>details.fields</code>. After 429 the header <code>Retry-After</code> says how many seconds to wait.
api-versions-html = What can be changed by two people at once is answered with an <code>ETag</code>. Sent back as <code>If-Match</code>, it keeps a change from overwriting another one.
api-parameters = Parameters
api-required = required
api-body = Body
api-answers = Answers
api-example = Example
api-for-everybody = Everybody
api-for-sessions = Signed-in browsers
api-for-users = Who is signed in, or their key
api-for-admins = Administrators, or their key

## Mails
mail-hello = Hello { $name },
mail-foot = { $app } sent this to { $address } because somebody did something with that account.
mail-test-subject = Test email from { $app }
mail-test-text = Mail works: { $app } can reach people.
mail-code-subject = Your login code for { $app }
mail-code-text = This code signs you in. It works once, within { $lifetime }.
mail-code-open = Sign in
mail-code-type = Or open { $url } and type the code.
mail-code-not-you = If you did not ask for it, ignore this mail, and never tell the code to anybody.
mail-minutes = { $n ->
    [one] one minute
   *[other] { $n } minutes
}
mail-hours = { $n ->
    [one] one hour
   *[other] { $n } hours
}
mail-days = { $n ->
    [one] one day
   *[other] { $n } days
}
mail-verify-subject = Verify your { $app } email address
mail-verify-text = Confirm that this address is yours. The link works for 24 hours, in a browser in which you are signed in.
mail-verify-open = Verify address
mail-device-subject = New device login with { $app }
mail-device-text = Your account was used to sign in from a device that we have not seen before.
mail-device-ip = Address: { $ip }
mail-device-place = Place: { $place }
mail-device-device = Device: { $device }
mail-device-time = Time: { $time }
mail-device-open = Check your sessions
mail-device-not-you = If this was not you, sign that session out, and remove passkeys that you don't know.
mail-key-subject = API key "{ $key }" expiring soon
mail-key-text = Your API key "{ $key }" expires on { $time }. What uses it will be refused then.
mail-key-open = Manage API keys
mail-address-subject = Your { $app } email address was changed
mail-address-text = Your account has another email address now, so this is the last mail to this one.
mail-address-not-you = If this was not you, tell your administrator.
