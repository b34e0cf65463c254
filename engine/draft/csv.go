package draft

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"

	"github.com/mailform/mailform/engine/config"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// A Table is what a draft has as lines of a CSV file instead of blocks: its
// users, but for those that forward their mail. Each domain has one user block
// with for_each over its lines.
type Table struct {
	// Path of the file, as the configuration names it.
	Path string

	local  string // the name of its lines by domain
	groups []group
}

// A group is the users of one domain.
type group struct {
	label  string
	domain schema.Ref
	host   string
	users  []*Block
	shared string // variable with their password hashes; empty: none has one
}

// columns of the file. Lists are separated by blanks.
var columns = []string{"domain", "name", "quota", "protocols", "aliases", "mail"}

// MakeTable takes the users out of the draft's blocks into a table. What refers
// to them then names instances. The draft should have all that it will have.
func (d *Draft) MakeTable(path string) *Table {
	name, _, _ := strings.Cut(path, ".")
	t := &Table{Path: path, local: identifier(name) + "_by_domain"}
	byDomain := map[string]int{}
	taken := labels{}
	for i := range d.Blocks {
		taken.take(d.Blocks[i].Ref.Type, d.Blocks[i].Ref.Name)
	}
	moved := map[string]schema.Ref{}
	var rest, users []Block
	for _, b := range d.Blocks { // a script is no cell of a table
		if b.Ref.Type == "user" && text(b.Body.Object(), "mail") != "forward" && text(b.Body.Object(), "sieve") == "" {
			users = append(users, b)
		} else {
			rest = append(rest, b)
		}
	}
	secret := ""
	for i := range users {
		if len(users[i].hash) > 0 {
			secret = users[i].Secret
		}
	}
	if secret != "" && !slices.ContainsFunc(users, func(b Block) bool { return b.Shared }) {
		secret = d.shared
	}
	for i := range users {
		b := &users[i]
		local, host := splitAddress(b.ID)
		at, ok := byDomain[host]
		if !ok {
			at = len(t.groups)
			byDomain[host] = at
			ref, _ := schema.AsRef(b.Body.Object().GetAttr("domain"))
			t.groups = append(t.groups, group{label: taken.free("user", ref.Name), domain: ref, host: host})
		}
		g := &t.groups[at]
		g.users = append(g.users, b)
		if len(b.hash) > 0 {
			b.Secret, b.Shared, g.shared = secret, true, secret
		}
		moved[b.Ref.String()] = schema.Ref{Type: "user", Name: g.label, Key: cty.StringVal(local)}
	}
	for i := range rest {
		rest[i].Body = renamedBody(rest[i].Body, moved)
		if len(rest[i].hash) > 0 && secret != "" && !rest[i].Shared {
			rest[i].Secret, rest[i].Shared = secret, true
		}
	}
	d.Blocks, d.table, d.rows = rest, t, users
	return t
}

// renamedBody is a body with references to blocks by their new names.
func renamedBody(b config.Body, names map[string]schema.Ref) config.Body {
	v, err := cty.Transform(b.Object(), func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if r, ok := schema.AsRef(v); ok {
			if to, ok := names[r.String()]; ok {
				return schema.RefVal(to), nil
			}
		}
		return v, nil
	})
	if err != nil {
		return b // it never fails
	}
	return config.BodyOf(v)
}

// CSV is the file.
func (t *Table) CSV() ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	if err := w.Write(columns); err != nil {
		return nil, err
	}
	for _, g := range t.groups {
		for _, b := range g.users {
			local, host := splitAddress(b.ID)
			v := b.Body.Object()
			row := []string{host, local, text(v, "quota"), strings.Join(texts(v, "protocols"), " "), strings.Join(texts(v, "aliases"), " "), text(v, "mail")}
			if err := w.Write(row); err != nil {
				return nil, err
			}
		}
	}
	w.Flush()
	return out.Bytes(), w.Error()
}

// table writes the locals and the user blocks of a table.
func (w *writer) table(t *Table) {
	w.put("locals", "", func(in *body) {
		in.set(t.local, "{ for user in csvdecode(file("+literal(t.Path)+")) : user.domain => user... }")
	})
	for i := range t.groups {
		g := &t.groups[i]
		w.put("user", g.label, func(in *body) {
			in.set("for_each", t.lines(g))
			in.newline()
			in.set("domain", reference(g.domain))
			in.set("name", "each.key")
			if g.shared != "" {
				in.set("password_hash", "lookup(var."+g.shared+", "+g.address()+", null)")
			}
			in.set("quota", "each.value.quota")
			in.set("protocols", `compact(split(" ", each.value.protocols))`)
			in.set("aliases", `compact(split(" ", each.value.aliases))`)
			in.set("mail", "each.value.mail")
		})
	}
}

// lines is the expression for the lines of a domain.
func (t *Table) lines(g *group) string {
	return "{ for user in local." + t.local + "[" + literal(g.host) + "] : user.name => user }"
}

// address is the expression for the address of an instance.
func (g *group) address() string { return `"${each.key}@` + g.host + `"` }

func (w *writer) importTable(t *Table) {
	for i := range t.groups {
		g := &t.groups[i]
		w.put("import", "", func(in *body) {
			in.set("for_each", t.lines(g))
			in.set("to", "user."+g.label+"[each.key]")
			in.set("id", g.address())
		})
	}
}
