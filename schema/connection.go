package schema

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// ConnectionBlock says on which machine a provider acts: the block `connection`
// of each provider that acts on one.
var ConnectionBlock = connectionBlock("connection",
	"The machine that it is on, where that is another one than mailform runs on. See [hosts](../hosts.md).")

// readConnectionBlock is the block `read_connection` of providers whose servers others
// brought along.
var readConnectionBlock = connectionBlock(ReadConnection,
	"Credentials that can do no more than read, for that machine: a plan is made with them alone. See [hosts](../hosts.md#plans-that-can-only-read). Left out: `connection` is used.")

// ReadConnection is the type of the block with credentials that can do no more than read.
const ReadConnection = "read_connection"

func connectionBlock(name, doc string) NestedBlock {
	return NestedBlock{Type: name, Doc: doc, Attributes: []Attribute{
		{Name: "type", Type: cty.String, Default: cty.StringVal("ssh"), Form: oneOf("ssh", "local"),
			Doc: "`\"ssh\"`, or `\"local\"` for this machine, as without the block."},
		{Name: "host", Type: cty.String, Form: formMachine,
			Doc: "Name or IP address of the machine. Needed for `\"ssh\"`."},
		{Name: "port", Type: cty.Number, Default: cty.NumberIntVal(22), Form: integer(1, 65535),
			Doc: "Port of its SSH server."},
		{Name: "user", Type: cty.String,
			Doc: "Who logs in. Left out: who runs mailform."},
		{Name: "private_key", Type: cty.String, Sensitive: true,
			Doc: "The private key itself, as a pipeline has it in a variable. It is stored nowhere."},
		{Name: "private_key_file", Type: cty.String, Form: FormPath,
			Doc: "File with the private key; `~/` is the home directory. A relative path starts from the directory of the configuration. " +
				"A key with a passphrase has to be held by an agent. Without this and `private_key`: all keys of the agent, then `~/.ssh/id_ed25519`, `id_ecdsa`, `id_rsa`."},
		{Name: "agent", Type: cty.Bool, Default: cty.True,
			Doc: "Whether the agent in `SSH_AUTH_SOCK` is asked, where there is one."},
		{Name: "known_hosts_file", Type: cty.String, Form: FormPath,
			Doc: "File with the keys of machines, as ssh keeps it. A relative path starts from the directory of the configuration. Left out: `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`. A machine that is in none is not believed."},
		{Name: "host_key", Type: cty.String, Form: formPublicKey,
			Doc: "The machine's public key, in one line, as in `/etc/ssh/ssh_host_ed25519_key.pub` there: instead of `known_hosts_file`."},
		{Name: "sudo", Type: cty.Bool, Default: cty.False,
			Doc: "Whether what is done there is done by `sudo`, which must ask for no password. It is not used where `user` is root."},
		{Name: "timeout", Type: cty.String, Default: cty.StringVal("30s"), Form: FormDuration,
			Doc: "How long the machine may say nothing before it is given up."},
	}}
}

var formMachine = stringForm("a host name or an IP address", "`mail1.example.com`, `192.0.2.10`, `2001:db8::10`.", func(s string) (string, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.String(), nil
	}
	return ParseHostName(s)
})

var formPublicKey = stringForm("a public key of SSH", "One line of an algorithm and a text in base64: `ssh-ed25519 AAAA…`.", func(s string) (string, error) {
	words := strings.Fields(s)
	switch {
	case strings.HasPrefix(s, "SHA256:"):
		return "", errors.New("that is a fingerprint, and the whole key is needed")
	case strings.Contains(s, "PRIVATE KEY"):
		return "", errors.New("that is a private key")
	case len(words) < 2 || !strings.Contains(words[0], "-"):
		return "", errors.New("it does not begin with an algorithm and a text in base64")
	case strings.ContainsAny(strings.TrimSpace(s), "\r\n"):
		return "", errors.New("it is more than one line")
	}
	_, err := parseBase64(words[1])
	return s, err
})
