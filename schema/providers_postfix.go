package schema

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var postfixProvider = &BlockType{
	Type:  "provider",
	Label: "postfix",
	Doc: "Postfix (3.4 and later) takes mail in and hands it on. It keeps no mail: a server has a provider that does beside it, " +
		"`provider = [postfix, dovecot]`. What mailform does not own of its configuration stays as it is, byte for byte. " +
		"See [mail servers](../mail-servers.md#postfix).",
	Example: `provider "postfix" {
  config_dir = "/etc/postfix"

  parameters = {
    smtpd_banner = "$myhostname ESMTP"
  }
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "config_dir", Type: cty.String, Default: cty.StringVal("/etc/postfix"), Form: FormPath,
			Doc: "Directory of `main.cf` and `master.cf` (`postfix -c`). Each instance has one of its own. A relative path starts from the directory of the configuration."},
		{Name: "command_dir", Type: cty.String, Form: FormPath,
			Doc: "Directory of the programs `postfix`, `postconf` and `postmap`. Left out: they are looked for in the `PATH`, and then in `/usr/sbin`."},
		unitAttribute("postfix"),
		parametersAttribute("Parameters of `main.cf`"),
	},
	Blocks: []NestedBlock{ConnectionBlock, readConnectionBlock},
	Holds: []Holding{
		{Attribute: "parameter.name", As: "parameter of `main.cf`", Refuses: postfixParameter},
		{Attribute: "parameter.value", As: "its value, on one line"},
		{Attribute: "setting.hostname", As: "`myhostname`"},
		{Attribute: "setting.addresses", As: "`proxy_interfaces`"},
		{Attribute: "setting.message_size_limit", As: "`message_size_limit`; `mailbox_size_limit` too, where it is smaller"},
		{Attribute: "setting.retention", As: "nothing: the server that keeps the mail does it"},
		{Attribute: "setting.tls_certificate", As: "`smtpd_tls_chain_files`, and `smtpd_tls_security_level = may`"},
		{Attribute: "setting.tls_key", As: "`smtpd_tls_chain_files`"},
		{Attribute: "setting.relay_host", As: "`relayhost`"},
		{Attribute: "setting.retry", As: "the least of them in `minimal_backoff_time`, the greatest in `maximal_backoff_time`, all together in `maximal_queue_lifetime` and `bounce_queue_lifetime`: " +
			"the times between are doubled up to the greatest"},
		{Attribute: "smarthost.owner", As: "mailform's ledger"},
		{Attribute: "smarthost.host", As: "next hop `[host]:port`, of a service of `master.cf` for each kind of TLS"},
		{Attribute: "smarthost.senders", As: "map in `sender_dependent_default_transport_maps`; where neither senders nor recipients are named, `default_transport`"},
		{Attribute: "smarthost.recipients", As: "map in `transport_maps`; not together with `senders`"},
		{Attribute: "smarthost.username", As: "map in `-o smtp_sasl_password_maps`"},
		{Attribute: "smarthost.password", As: "that map, which only root can read"},
		{Attribute: "smarthost.tls", As: "`-o smtp_tls_security_level=may` or `secure`, `-o smtp_tls_wrappermode=yes`; a certificate has to be for a name"},
		{Attribute: "delivery.owner", As: "one to an instance"},
		{Attribute: "delivery.lmtp", As: "`virtual_transport = lmtp:inet:…`, and our maps in `virtual_mailbox_domains`, `virtual_mailbox_maps`, `virtual_alias_maps`"},
		{Attribute: "delivery.auth", As: "`smtpd_sasl_type` and `smtpd_sasl_path`; our maps in `smtpd_sender_login_maps`"},
		{Attribute: "lookup.owner", As: "one to an instance"},
		{Attribute: "lookup.url", As: "`server_host` of four files with `proxy:ldap:` maps, in `virtual_mailbox_maps`, `virtual_alias_maps`, `smtpd_sender_login_maps` and `smtpd_recipient_restrictions`; a file for `authd`, where that judges passwords"},
		{Attribute: "lookup.start_tls", As: "`start_tls`, `tls_require_cert`"},
		{Attribute: "lookup.ca_file", As: "`tls_ca_cert_file`"},
		{Attribute: "lookup.bind_dn", As: "`bind_dn`"},
		{Attribute: "lookup.bind_password", As: "`bind_pw`, in files that only root and Postfix can read"},
		{Attribute: "lookup.users_base", As: "`search_base`"},
		{Attribute: "lookup.users_filter", As: "`query_filter`"},
		{Attribute: "lookup.user_address", As: "`query_filter` and `result_attribute`"},
		{Attribute: "lookup.user_quota", As: "nothing: the server that keeps the mail asks for it"},
		{Attribute: "lookup.user_protocols", As: "nothing: the server that keeps the mail asks for it"},
		{Attribute: "lookup.user_mail", As: "`query_filter`: a disabled user is none, and in another map refused"},
		{Attribute: "lookup.aliases_base", As: "`search_base`"},
		{Attribute: "lookup.aliases_filter", As: "`query_filter`"},
		{Attribute: "lookup.alias_address", As: "`query_filter`"},
		{Attribute: "lookup.alias_members", As: "`result_attribute`, or `special_result_attribute` where they are entries"},
		{Attribute: "lookup.alias_external", As: "`result_attribute`"},
		{Attribute: "lookup.alias_keep_copy", As: "`query_filter` of a map before the others"},
		{Attribute: "location.content", As: "its queue"},
		{Attribute: "location.path", As: "`queue_directory`; Postfix stands still while the queue is moved", Refuses: postfixPath},
		{Attribute: "location.messages", As: "files in the queue"},
		{Attribute: "location.bytes", As: "size of these files"},
		{Attribute: "location.free", As: "what `df` says"},
		{Attribute: "service.name", As: "the instance"},
		{Attribute: "service.running", As: "`postfix start`, `postfix stop`, or its systemd unit"},
		{Attribute: "maildomain.name", As: "map in `virtual_mailbox_domains`"},
		{Attribute: "recipient.address", As: "map in `virtual_mailbox_maps`", Refuses: postfixAddress},
		{Attribute: "recipient.password_hash", As: "file of `mailform authd`, where no other server says who a user is"},
		{Attribute: "route.address", As: "map in `virtual_alias_maps`; beside a catch-all each recipient has an entry of itself there", Refuses: postfixAddress},
		{Attribute: "route.type", As: "comment in the map; of a refused one in the map `refused` as well, which `smtpd_recipient_restrictions` begin with"},
		{Attribute: "route.members", As: "value in the map", Refuses: postfixMembers},
		{Attribute: "route.keep_copy", As: "the address itself among the members"},
		{Attribute: "filter.owner", As: "the instance"},
		{Attribute: "filter.service", As: "`-o smtpd_milters` of its services in `master.cf`, which names a parameter of our own"},
		{Attribute: "filter.name", As: "mailform's ledger"},
		{Attribute: "filter.position", As: "place in the list of that parameter"},
		{Attribute: "filter.type", As: "nowhere: all are milters. What one wants in quarantine is held in the queue (`postqueue`, `postsuper -H`)"},
		{Attribute: "filter.address", As: "`{ inet:…` or `{ unix:…`"},
		{Attribute: "filter.on_failure", As: "`default_action`"},
		{Attribute: "filter.timeout", As: "`connect_timeout`, `command_timeout`, `content_timeout`"},
		{Attribute: "filter.junk", As: "nowhere: the field stays in the message, for the server that keeps it"},
		{Attribute: "listener.owner", As: "services of `master.cf`"},
		{Attribute: "listener.service", As: "`smtpd` with its options: submission needs TLS, a login and an address of one's own, and relays nothing else. The same of what users have submitted to Dovecot, which says who they are (`-o smtpd_authorized_xclient_hosts`)"},
		{Attribute: "listener.hostname", As: "`-o myhostname`"},
		{Attribute: "listener.listen", As: "service of `master.cf`; for all addresses `inet_interfaces = all`"},
		{Attribute: "listener.listen_tls", As: "the same with `-o smtpd_tls_wrappermode=yes`"},
	},
}

// postfixParameter refuses what is no name of a parameter.
func postfixParameter(v cty.Value) string {
	if name := v.AsString(); name == "" || strings.ContainsAny(name, " \t\r\n=#,$(){}\"'\\:;") {
		return "has no parameter of such a name"
	}
	return ""
}

// postfixPath refuses paths that main.cf cannot hold as they are.
func postfixPath(v cty.Value) string {
	if strings.ContainsAny(v.AsString(), " \t\r\n$#,") {
		return "takes no path with white space or one of $#, in it"
	}
	return ""
}

// postfixAddress refuses addresses that a map cannot hold as they are.
func postfixAddress(v cty.Value) string {
	s := v.AsString()
	switch {
	case s == "":
		return "needs an address"
	case s[0] == '-' || s[0] == '#':
		return "knows no addresses that begin with " + s[:1]
	case strings.ContainsAny(s, " \t\r\n\"\\(),:;<>[]"):
		return "cannot hold an address with white space, quotation marks or one of (),:;<>[]\\ in its maps"
	}
	return ""
}

func postfixMembers(v cty.Value) string {
	for _, m := range v.AsValueSlice() {
		if why := postfixAddress(m); why != "" {
			return why
		}
	}
	return ""
}
