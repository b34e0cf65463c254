package schema

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var sendmailProvider = &BlockType{
	Type:  "provider",
	Label: "sendmail",
	Doc: "Sendmail takes mail in and hands it on. It keeps no mail: a server has a provider that does beside it, " +
		"`provider = [sendmail, cyrus]`. See [mail servers](../mail-servers.md#sendmail).",
	Example: `provider "sendmail" {
  config_dir = "/etc/mail"
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "config_dir", Type: cty.String, Default: cty.StringVal("/etc/mail"), Form: FormPath,
			Doc: "Directory of `sendmail.cf` and the maps. A relative path starts from the directory of the configuration."},
		{Name: "mc", Type: cty.String, Form: FormPath,
			Doc: "The source that m4 makes `sendmail.cf` of. Left out: `sendmail.mc` in `config_dir`. Where it or m4 is not there, `sendmail.cf` itself is changed."},
		{Name: "cf", Type: cty.String, Form: FormPath,
			Doc: "The configuration that Sendmail reads. Left out: `sendmail.cf` in `config_dir`."},
		{Name: "program_dir", Type: cty.String, Form: FormPath,
			Doc: "Directory of the programs `sendmail` and `makemap`. Left out: they are looked for in the `PATH` and in the sbin directories."},
		unitAttribute("sendmail"),
		parametersAttribute("Options of `sendmail.cf`, as `Timeout.ident`,"),
	},
	Blocks: []NestedBlock{ConnectionBlock, readConnectionBlock},
	Holds: []Holding{
		{Attribute: "parameter.name", As: "an option of `sendmail.cf`"},
		{Attribute: "parameter.value", As: "its value; `` ` ' # \\ `` are refused"},
		{Attribute: "location.content", As: "its queue"},
		{Attribute: "location.path", As: "`QueueDirectory`; Sendmail stands still while the queue is moved", Refuses: sendmailPath},
		{Attribute: "location.messages", As: "messages that `sendmail -bp` counts"},
		{Attribute: "location.bytes", As: "what `du` says"},
		{Attribute: "location.free", As: "what `df` says"},
		{Attribute: "setting.hostname", As: "`Dj`, with a dot in it (`confDOMAIN_NAME`)"},
		{Attribute: "setting.addresses", As: "nowhere: Sendmail does not ask for it"},
		{Attribute: "setting.message_size_limit", As: "`MaxMessageSize`"},
		{Attribute: "setting.retention", As: "nowhere: the server beside it keeps the mail"},
		{Attribute: "setting.tls_certificate", As: "`ServerCertFile`"},
		{Attribute: "setting.tls_key", As: "`ServerKeyFile`"},
		{Attribute: "setting.relay_host", As: "`DS` (`SMART_HOST`), by a mailer of its own where the port is not 25"},
		{Attribute: "setting.retry", As: "the first as `MinQueueAge`, the longest as `MaxQueueAge`, all together as `Timeout.queuereturn`"},
		{Attribute: "delivery.owner", As: "mailform's `ledger.json`"},
		{Attribute: "delivery.lmtp", As: "the mailer `mailform`"},
		{Attribute: "delivery.auth", As: "`authd` by Cyrus SASL (`pwcheck_method: saslauthd`), or nobody submits mail",
			Refuses: func(v cty.Value) string {
				if a := v.AsString(); a != "" && a != "authd" {
					return "asks no Dovecot who a user is"
				}
				return ""
			}},
		{Attribute: "smarthost.owner", As: "mailform's `ledger.json`"},
		{Attribute: "smarthost.host", As: "the value of its rows in the map `mailform/mailertable`, and a mailer for its port"},
		{Attribute: "smarthost.senders", As: "in the keys of these rows"},
		{Attribute: "smarthost.recipients", As: "in the keys of these rows"},
		{Attribute: "smarthost.username", As: "nowhere", Refuses: sendmailLogin},
		{Attribute: "smarthost.password", As: "nowhere"},
		{Attribute: "smarthost.tls", As: "STARTTLS where it is offered, with any certificate", Refuses: sendmailTLS},
		{Attribute: "maildomain.name", As: "the class `{Mailform}`"},
		{Attribute: "recipient.address", As: "a row of the map `mailform/addresses`"},
		{Attribute: "recipient.password_hash", As: "verifiers of mailform's `authd`"},
		{Attribute: "route.address", As: "a row of the map `mailform/addresses`"},
		{Attribute: "route.type", As: "mailform's `ledger.json`; of a refused one `REFUSED` in `mailform/addresses`"},
		{Attribute: "route.members", As: "a row of the alias file `mailform/aliases`"},
		{Attribute: "route.keep_copy", As: "the address among its own members"},
		{Attribute: "lookup.owner", As: "one to a Sendmail"},
		{Attribute: "lookup.url", As: "a file for `authd`, which asks; and maps of the class `socket`, by which Sendmail asks `authd`"},
		{Attribute: "lookup.start_tls", As: "that file"},
		{Attribute: "lookup.ca_file", As: "that file"},
		{Attribute: "lookup.bind_dn", As: "that file"},
		{Attribute: "lookup.bind_password", As: "that file, which only root can read"},
		{Attribute: "lookup.users_base", As: "that file"},
		{Attribute: "lookup.users_filter", As: "that file"},
		{Attribute: "lookup.user_address", As: "that file"},
		{Attribute: "lookup.user_quota", As: "nowhere: the server that keeps the mail has quotas"},
		{Attribute: "lookup.user_protocols", As: "nowhere: the server that keeps the mail has protocols"},
		{Attribute: "lookup.user_mail", As: "`REFUSED`, as `authd` answers for a disabled user"},
		{Attribute: "lookup.aliases_base", As: "that file"},
		{Attribute: "lookup.aliases_filter", As: "that file"},
		{Attribute: "lookup.alias_address", As: "that file"},
		{Attribute: "lookup.alias_members", As: "that file"},
		{Attribute: "lookup.alias_external", As: "that file"},
		{Attribute: "lookup.alias_keep_copy", As: "that file"},
		{Attribute: "filter.owner", As: "mailform's `ledger.json`"},
		{Attribute: "filter.service", As: "`InputMailFilters` in its `DaemonPortOptions`"},
		{Attribute: "filter.name", As: "mailform's `ledger.json`"},
		{Attribute: "filter.position", As: "place in that list"},
		{Attribute: "filter.type", As: "nowhere: all are milters. What one wants in quarantine is held in the queue (`mailq -qQ`)"},
		{Attribute: "filter.address", As: "`S=` of an `X` line (`INPUT_MAIL_FILTER`)"},
		{Attribute: "filter.on_failure", As: "`F=T`, `F=R`, or no flag"},
		{Attribute: "filter.timeout", As: "`T=`, for each of its four steps"},
		{Attribute: "filter.junk", As: "nowhere: the field stays in the message, for the server that keeps it"},
		{Attribute: "listener.owner", As: "mailform's `ledger.json`"},
		{Attribute: "listener.service", As: "the name in `DaemonPortOptions`"},
		{Attribute: "listener.hostname", As: "mailform's `ledger.json`; Sendmail has one name for all"},
		{Attribute: "listener.listen", As: "`DaemonPortOptions`, with `M=Ea` for submission"},
		{Attribute: "listener.listen_tls", As: "`DaemonPortOptions` with `M=s`"},
		{Attribute: "service.name", As: "`sendmail`"},
		{Attribute: "service.running", As: "`sendmail -bd -q1m`, or the unit; mailform's `authd` beside it"},
	},
}

// sendmailLogin refuses to log in: the rules that say how are those of the
// administrator's own access map.
func sendmailLogin(v cty.Value) string {
	if v.AsString() != "" {
		return "does not log in at smarthosts by mailform: AuthInfo in the administrator's access map can say how, and the block then leaves out username and password"
	}
	return ""
}

// sendmailTLS refuses what holds for all that Sendmail sends or for nothing.
func sendmailTLS(v cty.Value) string {
	if tls := v.AsString(); tls != "opportunistic" {
		return fmt.Sprintf("speaks no TLS from the first byte and asks no single server for a good certificate, as tls = %q says (for port 465 by itself)", tls)
	}
	return ""
}

// sendmailPath refuses paths that cannot stand in sendmail.cf as they are.
func sendmailPath(v cty.Value) string {
	for _, r := range v.AsString() {
		if r <= ' ' || r > 0x7e || strings.ContainsRune("\"`'$%,#\\:;()<>|&*?@", r) {
			return fmt.Sprintf("takes no path with %q in it", r)
		}
	}
	return ""
}
