package dovecot

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/mailform/mailform/schema"
)

// Users can submit mail to Dovecot, which judges who they are and hands on what they
// send to the server that takes mail, with their names (XCLIENT). That one says in
// which names they may send.

// Who may submit mail may do so wherever he does: to Dovecot itself, or to a server
// that asks it about passwords and is called smtp. These are the names of services as
// those who are denied one have them.
const (
	service23 = "%{if;%s;eq;submission;smtp;%s}"
	service24 = "%{protocol | if('eq', 'submission', 'smtp', protocol)}"
)

// writeRelay says where what users submit goes. What is too large the server there
// says, so that nothing is refused here that it would take.
func (s *settings) writeRelay(b *strings.Builder) {
	host, port, err := net.SplitHostPort(s.relay)
	if err != nil {
		return // there is none
	}
	fmt.Fprintf(b, "submission_relay_host = %s\nsubmission_relay_port = %s\nsubmission_relay_trusted = yes\nsubmission_relay_ssl = no\nsubmission_max_mail_size = 0\n", host, port)
}

// relayInForce is where what users submit goes with their names; empty: nowhere.
func relayInForce(t *tree) string {
	host, _ := t.get("submission_relay_host")
	port, _ := t.get("submission_relay_port")
	trusted, _ := t.get("submission_relay_trusted")
	ssl, _ := t.get("submission_relay_ssl")
	if host == "" || trusted != "yes" || ssl != "no" {
		return ""
	}
	return net.JoinHostPort(host, port)
}

// readRelay takes in where what users submit goes.
func (w *wanted) readRelay(r *reader) {
	owner := r.text("owner")
	w.relay = r.text("relay")
	if r.err != nil {
		return
	}
	if owner != w.key {
		r.err = errors.New("owner is not that of the key")
	} else if at, err := schema.ParseHostPort(w.relay); err != nil || at != w.relay || strings.ContainsAny(at, "%") {
		r.err = fmt.Errorf("relay is %q, which is no host with a port", w.relay)
	}
}
