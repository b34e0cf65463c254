package sendmail

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/attributes"
	"github.com/mailform/mailform/providers/authd"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Read implements providers.Provider.
func (p *Provider) Read(ctx context.Context, scope providers.Scope) ([]providers.Observed, error) {
	p, err := p.reader(ctx)
	if err != nil {
		return nil, err
	}
	w, err := p.load(ctx)
	if errors.Is(err, errNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := w.observed()
	if !scope.Part {
		others, err := w.foreign(ctx, w.label(scope.Wanted), out)
		if err != nil {
			return nil, err
		}
		out = append(out, others...)
	}
	return w.located(ctx, scope, out)
}

// observe is a resource of the ledger with what Sendmail really has of it.
func (h *holding) observe(lineage string, live attrs) providers.Observed {
	o := providers.Observed{Kind: h.Kind, Key: h.Key, Attrs: live.Value, Origin: h.Owner}
	if h.Lineage == lineage {
		o.Owner = h.Owner
	}
	sum := sha256.New()
	for _, s := range []string{h.Revision, h.Owner, h.Lineage, live.GoString()} {
		sum.Write([]byte(s + "\x00"))
	}
	o.Revision = hex.EncodeToString(sum.Sum(nil)[:12])
	return o
}

// observed is all that there is in our section and our maps.
func (w *world) observed() []providers.Observed {
	out := make([]providers.Observed, 0, len(w.ledger))
	cf := newNative(string(w.files[w.p.cf].Content))
	known := newRows()
	for _, h := range w.ledger.all("") {
		_ = known.addRows(h.Kind, h.Key, h.attrs) // judged when it was written
		if vals, ok := w.native(h, cf); ok {
			out = append(out, h.observe(w.p.lineage, attrs{Value: schema.KindByName(h.Kind).Object(vals)}))
		}
	}
	// What stands in our maps beyond that: somebody has put it there.
	for key, value := range w.live[addresses] {
		if _, ours := known[addresses][key]; ours || strings.Contains(key, authd.CopyMark) {
			continue
		}
		h := &holding{Kind: schema.KindRecipient, Key: key}
		vals := map[string]cty.Value{"address": cty.StringVal(key), "password_hash": cty.ListValEmpty(cty.String)}
		if members, ok := w.live[aliases][value]; ok || strings.HasPrefix(key, "@") {
			h.Kind = schema.KindRoute
			vals = w.route(key, members, "")
		}
		out = append(out, h.observe("", attrs{Value: schema.KindByName(h.Kind).Object(vals)}))
	}
	strange := map[string]string{}
	for key, value := range w.live[mailertable] {
		if !w.hasSmarthost(value) {
			strange[key] = value
		}
	}
	out = append(out, w.foreignSmarthosts(w.label(nil), strange)...)
	slices.SortFunc(out, func(a, b providers.Observed) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key))
	})
	return out
}

// A native is what sendmail.cf says.
type native struct {
	options map[string]string // effective ones
	lines   map[string]bool   // all, outside of comments
	mailer  string            // our mailer's host and port
	listens map[string]bool   // lines of DaemonPortOptions, without filters
}

func newNative(text string) native {
	n := native{options: effective(text), lines: map[string]bool{}, listens: map[string]bool{}}
	_, section, _, _ := cutSection(text)
	for line := range strings.Lines(section) {
		line = strings.TrimRight(line, "\n")
		n.lines[line] = true
		if strings.HasPrefix(line, "O DaemonPortOptions=") {
			bare, _, _ := strings.Cut(line, inputKey)
			n.listens[bare] = true
		}
		if strings.HasPrefix(line, "Mmailform,") {
			if _, at, ok := strings.Cut(line, "A=TCP "); ok {
				n.mailer = at
			}
		}
	}
	return n
}

// native is what Sendmail has of a resource, and whether it is there.
func (w *world) native(h *holding, cf native) (map[string]cty.Value, bool) {
	vals := h.attrs.AsValueMap()
	switch h.Kind {
	case schema.KindSetting:
		return vals, w.setting(h, cf, vals)
	case schema.KindDelivery:
		host, port, _ := strings.Cut(cf.mailer, " ")
		if cf.mailer == "" {
			return nil, false
		}
		if m, err := mailer("mailform", lmtpFlags, h.attrs.Str("lmtp")); err != nil || !cf.lines[m] {
			vals["lmtp"] = cty.StringVal(net.JoinHostPort(strings.TrimPrefix(strings.Trim(host, "[]"), "IPv6:"), port))
		}
		if h.attrs.Str("auth") == "authd" && (!cf.lines["O AuthMechanisms=PLAIN LOGIN"] || !w.judging) {
			vals["auth"] = cty.StringVal("")
		}
		return vals, true
	case schema.KindListener:
		list, err := listenerOptions(h.attrs)
		if err != nil {
			return nil, false
		}
		for _, o := range list {
			if !cf.listens[o.String()] {
				return nil, false
			}
		}
		return vals, true
	case schema.KindFilter:
		return vals, w.filter(h, cf, vals)
	case schema.KindLookup:
		return w.observeLookup(h, cf)
	case schema.KindParameter:
		v, ok := cf.options[strings.ToLower(h.Key)]
		vals["value"] = cty.StringVal(v)
		return vals, ok
	case schema.KindLocation:
		vals["path"] = cty.StringVal(w.queue)
		return vals, true
	case schema.KindService:
		vals["running"] = cty.BoolVal(w.running)
		return vals, true
	case schema.KindMailDomain:
		return vals, cf.lines["C{Mailform}"+h.Key] && (cf.lines[takenLine] || cf.lines["CR"+h.Key])
	case schema.KindRecipient:
		_, ok := w.live[addresses][h.Key]
		vals["password_hash"] = schema.StringList(w.users[h.Key].Verifiers)
		return vals, ok
	case schema.KindRoute:
		return w.routeOf(h)
	case schema.KindSmarthost:
		return vals, w.smarthost(h, cf, vals)
	}
	return nil, false
}

func (w *world) routeOf(h *holding) (map[string]cty.Value, bool) {
	value, ok := w.live[addresses][h.Key]
	if h.attrs.Str("type") == refused && value == refusedValue {
		return w.route(h.Key, "", refused), true
	}
	members, there := w.live[aliases][aliasKey(h.Key)]
	if !ok || !there || value != aliasKey(h.Key) {
		return nil, false
	}
	return w.route(h.Key, members, h.attrs.Str("type")), true
}

// route reads a route out of a row.
func (w *world) route(key, members, typ string) map[string]cty.Value {
	list := strings.FieldsFunc(members, func(r rune) bool { return r == ',' || r == ' ' })
	keep := slices.Contains(list, authd.CopyKey(key))
	list = slices.DeleteFunc(list, func(s string) bool { return s == authd.CopyKey(key) })
	slices.Sort(list)
	switch {
	case typ != "":
	case strings.HasPrefix(key, "@"):
		typ = "catch_all"
	case keep:
		typ = "forward"
	default:
		typ = "alias"
	}
	return map[string]cty.Value{"address": cty.StringVal(key), "type": cty.StringVal(typ), "members": schema.StringList(list), "keep_copy": cty.BoolVal(keep)}
}

// setting puts into vals what Sendmail has of a setting, where that is not what
// follows from it, and reports whether it has it at all.
func (w *world) setting(h *holding, cf native, vals map[string]cty.Value) bool {
	want, err := settingOptions(h.attrs, w.p.own())
	if err != nil || len(cf.lines) == 0 || !w.sourced() {
		return false
	}
	have := func(name string) string {
		if v, ok := cf.options[name]; ok {
			return v
		}
		return cf.options[strings.ToLower(name)]
	}
	for _, o := range want {
		v := have(o.name)
		if v == o.value {
			continue
		}
		switch o.name {
		case "Dj":
			vals["hostname"] = cty.StringVal(v)
		case "MaxMessageSize":
			n, _ := strconv.ParseInt(v, 10, 64)
			vals["message_size_limit"] = cty.NumberIntVal(max(n, 0))
		case "ServerCertFile":
			vals["tls_certificate"] = cty.StringVal(v)
		case "ServerKeyFile":
			vals["tls_key"] = cty.StringVal(v)
		case "DS":
			_, at, _ := strings.Cut(v, ":")
			at = strings.Trim(at, "[]")
			if at == "" {
				at = v
			}
			vals["relay_host"] = cty.StringVal(at)
		default:
			vals["retry"] = attributes.NumberList(seconds(have("MinQueueAge")), seconds(have("MaxQueueAge")), seconds(have("Timeout.queuereturn")))
		}
	}
	return true
}

// sourced reports whether the source that m4 makes sendmail.cf of has our section, so
// that it is there after the next making too. Where there is no source it does.
func (w *world) sourced() bool {
	mc := w.files[w.p.mc]
	if !mc.Exists {
		return true
	}
	section, _, err := w.section()
	text := string(mc.Content)
	return err == nil && withInclude(text, w.p.m4Path(), true) == text && string(w.files[w.p.m4Path()].Content) == asM4(section)
}

// seconds reads a time of sendmail.cf: 30m, 5d, 1h30m. A number alone are minutes, as
// of queues, or days.
func seconds(s string) int64 {
	units := map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 7 * 86400}
	var sum, n int64
	for i := range len(s) {
		if c := s[i]; c >= '0' && c <= '9' {
			n = min(n*10+int64(c-'0'), attributes.MaxNumber/(7*86400))
		} else {
			sum, n = min(sum+n*units[c], attributes.MaxNumber), 0
		}
	}
	return sum
}
