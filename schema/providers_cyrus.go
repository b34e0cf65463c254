package schema

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var cyrusProvider = &BlockType{
	Type:  "provider",
	Label: "cyrus",
	Doc: "Cyrus IMAP keeps mail and hands it out by IMAP and POP3. It takes mail from a server beside it, by LMTP: " +
		"`provider = [postfix, cyrus]`. Mailboxes are made over IMAP, all in one connection; what mailform does not own of its configuration stays as it is, byte for byte. " +
		"See [mail servers](../mail-servers.md#cyrus).",
	Example: `provider "cyrus" {
  config_dir = "/etc"
}`,
	Attributes: []Attribute{
		aliasAttribute,
		{Name: "config_dir", Type: cty.String, Default: cty.StringVal("/etc"), Form: FormPath,
			Doc: "Directory of `imapd.conf` and `cyrus.conf`. A relative path starts from the directory of the configuration."},
		{Name: "program_dir", Type: cty.String, Form: FormPath,
			Doc: "Directory of Cyrus's programs: `master`, `imapd`, `ctl_mboxlist`. Left out: where the packages of Debian, Fedora and FreeBSD have them."},
		{Name: "pid_file", Type: cty.String, Default: cty.StringVal("/run/cyrus-master.pid"), Form: FormPath,
			Doc: "File with the process number of Cyrus's `master`."},
		{Name: "partition", Type: cty.String, Form: FormIdentifier,
			Doc: "Partition that new mailboxes are made on; `imapd.conf` says where it is. Those that are there stay where they are. Left out: the default partition."},
		unitAttribute("master"),
		parametersAttribute("Options of `imapd.conf`"),
	},
	Blocks: []NestedBlock{ConnectionBlock, readConnectionBlock},
	Holds: []Holding{
		{Attribute: "location.content", As: "the mail of the partition that new mailboxes are made on, and the indexes of that"},
		{Attribute: "location.path", As: "`partition-default`; of the indexes `metapartition-default` and `metapartition_files`. Cyrus stands still while the rest is copied", Refuses: cyrusPath},
		{Attribute: "location.messages", As: "files of messages, of what is to be moved"},
		{Attribute: "location.bytes", As: "what `du` says, of what is to be moved"},
		{Attribute: "location.free", As: "what `df` says"},
		{Attribute: "parameter.name", As: "an option of `imapd.conf`"},
		{Attribute: "parameter.value", As: "its value; empty ones, and those with line breaks, are refused"},
		{Attribute: "mailstore.hostname", As: "`servername`"},
		{Attribute: "mailstore.retention", As: "`/vendor/cmu/cyrus-imapd/delete` of each mailbox that is deleted, in whole days; `cyr_expire` purges every night"},
		{Attribute: "mailstore.tls_certificate", As: "`tls_server_cert`"},
		{Attribute: "mailstore.tls_key", As: "`tls_server_key`"},
		{Attribute: "lookup.owner", As: "one to a Cyrus"},
		{Attribute: "lookup.url", As: "a file for `authd`, which asks; and `autocreate_quota = 0`, `autocreate_post = yes`"},
		{Attribute: "lookup.start_tls", As: "that file"},
		{Attribute: "lookup.ca_file", As: "that file"},
		{Attribute: "lookup.bind_dn", As: "that file"},
		{Attribute: "lookup.bind_password", As: "that file, which only root can read"},
		{Attribute: "lookup.users_base", As: "that file"},
		{Attribute: "lookup.users_filter", As: "that file"},
		{Attribute: "lookup.user_address", As: "that file"},
		{Attribute: "lookup.user_quota", As: "nowhere: Cyrus takes no quota from a directory, and one of a user is refused"},
		{Attribute: "lookup.user_protocols", As: "what `authd` answers to each of Cyrus's services"},
		{Attribute: "lookup.user_mail", As: "whether `authd` lets the user in"},
		{Attribute: "lookup.aliases_base", As: "nothing: the server that takes mail asks for aliases"},
		{Attribute: "lookup.aliases_filter", As: "nothing, as the one before"},
		{Attribute: "lookup.alias_address", As: "nothing, as the one before"},
		{Attribute: "lookup.alias_members", As: "nothing, as the one before"},
		{Attribute: "lookup.alias_external", As: "nothing, as the one before"},
		{Attribute: "lookup.alias_keep_copy", As: "nothing, as the one before"},
		{Attribute: "service.name", As: "`master`"},
		{Attribute: "service.running", As: "`master`, and mailform's `authd` beside it"},
		{Attribute: "mailbox.address", As: "`user/alice@example.com`; at most 200 bytes, and before the `@` none of ``/ % & ; < > ^ ` { | } + * ? !``"},
		{Attribute: "mailbox.password_hash", As: "verifiers of mailform's `authd`, which Cyrus asks (`sasl_pwcheck_method: saslauthd`)"},
		{Attribute: "mailbox.quota", As: "`SETQUOTA` in whole KiB, rounded up; below 2 TiB"},
		{Attribute: "mailbox.protocols", As: "what `authd` answers to each of Cyrus's services"},
		{Attribute: "mailbox.mail", As: "whether `authd` lets the user in; the server that takes mail does the rest"},
		{Attribute: "mailbox.sieve", As: "no script", Refuses: refuseScript},
		{Attribute: "mailbox.messages", As: "`STATUS`, asked of those that a plan removes"},
		{Attribute: "mailbox.bytes", As: "`STATUS`, asked of those that a plan removes"},
		{Attribute: "listener.owner", As: "`mailform-cyrus/marks.json`"},
		{Attribute: "listener.service", As: "`imapd`, `pop3d`, `timsieved`, `lmtpd`"},
		{Attribute: "listener.hostname", As: "`mailform-cyrus/marks.json`; clients are greeted with `servername`"},
		{Attribute: "listener.listen", As: "a service of `cyrus.conf` for each address"},
		{Attribute: "listener.listen_tls", As: "the same with `-s`; not for ManageSieve, which has STARTTLS alone"},
	},
}

// cyrusPath refuses paths that imapd.conf cannot hold as they are.
func cyrusPath(v cty.Value) string {
	if strings.ContainsAny(v.AsString(), " \t\r\n\"\\") {
		return "takes no path with white space, a quotation mark or a backslash in it"
	}
	return ""
}
