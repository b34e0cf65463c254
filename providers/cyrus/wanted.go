package cyrus

import (
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A lacking is a value that Cyrus cannot hold.
type lacking struct{ attribute, why string }

func (e *lacking) Error() string { return e.attribute + ": " + e.why }

func lack(attribute, format string, args ...any) error {
	return &lacking{attribute, fmt.Sprintf(format, args...)}
}

// A wish is what is declared of one thing, one of them set.
type wish struct {
	store    *aSetting
	listener *aListener
	option   *option
	service  bool
	mailbox  *aMailbox
	place    string // of a location
	lookup   *schema.Lookup
}

// An aMailbox is what a mailbox is declared as.
type aMailbox struct {
	address, mail string
	hashes        []string
	quota         int64 // bytes
	protocols     []string
}

// readWish reads what is declared. The error names the attribute that Cyrus cannot
// hold, and no sensitive value.
func (p *Provider) readWish(r schema.Resource) (wish, error) {
	k := schema.KindByName(r.Kind)
	if k == nil {
		return wish{}, fmt.Errorf("cyrus has nothing of the kind %q", r.Kind)
	}
	if r.Attrs == cty.NilVal || r.Attrs.IsNull() || !r.Attrs.IsKnown() || !r.Attrs.Type().Equals(k.Type()) {
		return wish{}, fmt.Errorf("%s has no attributes of its kind", r.Address)
	}
	for _, a := range k.Attributes {
		switch v := r.Attrs.GetAttr(a.Name); {
		case a.Computed:
		case !v.IsWhollyKnown() || v.IsNull() && !a.Optional:
			return wish{}, lack(a.Name, "it has no value")
		case a.Optional && !v.IsNull():
			return wish{}, lack(a.Name, "mailform does not make it here")
		}
	}
	str := func(name string) string { return r.Attrs.GetAttr(name).AsString() }
	switch r.Kind {
	case schema.KindMailStore:
		s, err := readSetting(r.Attrs)
		return wish{store: s}, err
	case schema.KindParameter:
		o := option{str("name"), str("value")}
		if attribute, err := checkOption(o.name, o.value); err != nil {
			return wish{}, lack(attribute, "%s", err)
		}
		if p.isDerived(o.name) {
			return wish{}, lack("name", "mailform makes %s of blocks", o.name)
		}
		return wish{option: &o}, nil
	case schema.KindService:
		if str("name") != r.Key || r.Attrs.GetAttr("running").False() {
			return wish{}, lack("running", "a server that is declared runs")
		}
		return wish{service: true}, nil
	case schema.KindLocation:
		to, err := readPlace(r)
		return wish{place: to}, err
	case schema.KindLookup:
		l, err := readLookup(r)
		return wish{lookup: l}, err
	case schema.KindListener:
		l, err := readListenerWish(r)
		return wish{listener: l}, err
	case schema.KindMailbox:
		m, err := readMailbox(r)
		return wish{mailbox: m}, err
	}
	return wish{}, fmt.Errorf("cyrus has nothing of the kind %q", r.Kind)
}

func readSetting(v cty.Value) (*aSetting, error) {
	s := &aSetting{hostname: v.GetAttr("hostname").AsString(), certificate: v.GetAttr("tls_certificate").AsString(), key: v.GetAttr("tls_key").AsString()}
	if _, err := schema.ParseDomainName(s.hostname); err != nil {
		return nil, lack("hostname", "%s", err)
	}
	for name, path := range map[string]string{"tls_certificate": s.certificate, "tls_key": s.key} {
		if path == "" {
			continue
		}
		if _, err := checkOption("path", path); err != nil || !filepath.IsAbs(path) {
			return nil, lack(name, "it is no path that Cyrus takes")
		}
	}
	if (s.certificate == "") != (s.key == "") {
		return nil, lack("tls_key", "a certificate and its key come together, as tls_certificate and tls_key")
	}
	var err error
	s.retention, err = wholeNumber(v, "retention", 36500*86400)
	return s, err
}

// wholeNumber reads a number that is not below 0.
func wholeNumber(v cty.Value, name string, most int64) (int64, error) {
	n, acc := v.GetAttr(name).AsBigFloat().Int64()
	if acc != big.Exact || n < 0 {
		return 0, lack(name, "it is no whole number from 0 on")
	}
	if n > most {
		return 0, lack(name, "it can be no more than %d", most)
	}
	return n, nil
}

func readListenerWish(r schema.Resource) (*aListener, error) {
	v := r.Attrs
	l := &aListener{owner: v.GetAttr("owner").AsString(), service: v.GetAttr("service").AsString(), hostname: v.GetAttr("hostname").AsString(),
		listen: texts(v.GetAttr("listen")), listenTLS: texts(v.GetAttr("listen_tls"))}
	if programsOf[l.service] == "" {
		return nil, lack("service", "Cyrus has imap, pop3, managesieve and lmtp")
	}
	if l.owner == "" || r.Key != l.owner+"/"+l.service {
		return nil, lack("owner", "it is not that of %s", r.Key)
	}
	if _, err := schema.ParseDomainName(l.hostname); err != nil {
		return nil, lack("hostname", "%s", err)
	}
	if begins := map[string]string{"lmtp": "LMTP", "managesieve": "ManageSieve"}[l.service]; begins != "" && len(l.listenTLS) > 0 {
		return nil, lack("listen_tls", "Cyrus has no %s that begins with TLS", begins)
	}
	for name, list := range map[string][]string{"listen": l.listen, "listen_tls": l.listenTLS} {
		if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			return nil, lack(name, "it is not sorted, or has something twice")
		}
		for _, at := range list {
			if parsed, err := schema.ParseListen(at); err != nil || parsed != at || strings.ContainsAny(at, "\" \t\r\n") {
				return nil, lack(name, "%q is no host:port", at)
			}
		}
	}
	return l, nil
}

func readMailbox(r schema.Resource) (*aMailbox, error) {
	v := r.Attrs
	m := &aMailbox{address: v.GetAttr("address").AsString(), mail: v.GetAttr("mail").AsString(),
		hashes: texts(v.GetAttr("password_hash")), protocols: texts(v.GetAttr("protocols"))}
	if err := checkAddress(m.address); err != nil {
		return nil, lack("address", "%q: %s", m.address, err)
	}
	if r.Key != m.address {
		return nil, lack("address", "it is not that of %q", r.Key)
	}
	for i, h := range m.hashes {
		if _, err := schema.ParsePasswordHash(h); err != nil {
			return nil, lack("password_hash", "%s", err)
		}
		if slices.Contains(m.hashes[:i], h) {
			return nil, lack("password_hash", "one of them is there twice")
		}
	}
	for i, pr := range m.protocols {
		if pr != "imap" && pr != "pop3" || i > 0 && m.protocols[i-1] >= pr {
			return nil, lack("protocols", "they are imap and pop3, sorted")
		}
	}
	if m.mail != "enabled" && m.mail != disabled && m.mail != "forward" {
		return nil, lack("mail", "it is enabled, disabled or forward")
	}
	var err error
	m.quota, err = wholeNumber(v, "quota", maxQuota*1024)
	return m, err
}

func texts(v cty.Value) []string {
	var out []string
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		if e.IsNull() {
			out = append(out, "")
		} else {
			out = append(out, e.AsString())
		}
	}
	return out
}
