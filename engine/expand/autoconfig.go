package expand

import (
	"github.com/mailform/mailform/schema/clients"
	"github.com/mailform/mailform/schema/rdata"
)

// mailServices are the names that mail programs look for (RFC 6186 §3, RFC 8314 §4.5,
// RFC 5804 §1.8), with what they are for. The priorities say what is the better choice.
var mailServices = []struct {
	name, service string
	tls           bool
	priority      uint16
	// silent is left out where it is not offered: nobody asks for it but who wants it.
	silent bool
}{
	{"_imaps._tcp", "imap", true, 0, false},
	{"_imap._tcp", "imap", false, 10, false},
	{"_pop3s._tcp", "pop3", true, 20, false},
	{"_pop3._tcp", "pop3", false, 30, false},
	{"_submissions._tcp", "submission", true, 0, false},
	{"_submission._tcp", "submission", false, 10, false},
	{"_sieve._tcp", "managesieve", false, 0, true},
}

// httpsPort is where autodiscover is asked for by its SRV record.
const httpsPort = 443

// addAutoconfig makes the records by which mail programs set themselves up: one for
// each service, also for those that there are not, and those that lead to a web
// server which tells more.
func (e *expander) addAutoconfig(d *domain) {
	s, ok := d.from("autoconfig").nested("autoconfig")
	if !ok {
		return
	}
	src := d.from("autoconfig").attr("autoconfig")
	if len(d.servers) == 0 {
		if !d.unsure {
			src.errorf("Domain without a server",
				"%s has no server of this configuration, so that nobody can tell mail programs where its mail is. Leave out autoconfig, and write record blocks of the type SRV.", d.addr)
		}
		return
	}
	make := func(name, rrtype string, f fact, value string) {
		set := &rrset{
			setKey: setKey{d.zone, d.name.Under(name), rrtype}, suffix: indexed("autoconfig", name), block: d.block, src: src,
			ttl: d.ttl, valuesKnown: f, made: true,
		}
		if f == known {
			set.values = []string{value}
		}
		e.addSet(set)
	}
	doors, f := d.doors()
	for _, m := range mailServices {
		value, there := rdata.NoSRV, false
		for _, door := range doors {
			if door.Service == m.service && door.TLS == m.tls {
				value, there = rdata.SRV(m.priority, 1, door.Port, rdata.Name(door.Host+".")), true
			}
		}
		if there || !m.silent {
			make(m.name, "SRV", f, value)
		}
	}
	host, hf := read(s.attr("host"), parseHost)
	if hf == absent {
		w := d.web()
		if w == nil {
			return
		}
		host, hf = w.host, known
	}
	for _, name := range []string{"autoconfig", "autodiscover"} {
		e.addAlias(d, indexed("autoconfig", name), name, host, hf, src)
	}
	make("_autodiscover._tcp", "SRV", hf, rdata.SRV(0, 1, httpsPort, host))
}

// doors are where mail programs of all users get in; unknown where that cannot be told yet.
func (d *domain) doors() ([]clients.Door, fact) {
	lists := make([][]clients.Door, len(d.servers))
	for i, srv := range d.servers {
		if srv.undecided {
			return nil, unknown
		}
		lists[i] = srv.doors
	}
	return clients.First(lists...), known
}
