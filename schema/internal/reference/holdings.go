package reference

import (
	"fmt"
	"strings"

	"github.com/mailform/mailform/schema"
)

// holdings is the page that says how each provider holds what blocks become.
func holdings() string {
	var w strings.Builder
	w.WriteString(header)
	w.WriteString("# What providers support\n\n")
	w.WriteString("The same blocks describe a server whatever provider it has. What a system cannot hold is an error before there is a plan, which names the setting and the provider; " +
		"nothing is left out in silence. The `embedded` provider holds everything as it is. So do the providers of zones (" + zoneProviders() + "), for zones and record sets.\n\n" +
		"The tables say what each of the others makes of the attributes of [kinds](reference/kinds.md).\n")
	for _, name := range schema.Providers() {
		p := schema.ProviderByName(name)
		if p.Holds == nil {
			continue
		}
		fmt.Fprintf(&w, "\n## %s\n\n%s\n", name, firstSentence(p.Doc))
		for _, k := range schema.Kinds() {
			table(&w, p, k)
		}
	}
	return w.String()
}

func table(w *strings.Builder, p *schema.BlockType, k *schema.Kind) {
	begun := false
	for i := range k.Attributes {
		h := p.Holding(k.Name, k.Attributes[i].Name)
		if h == nil {
			continue
		}
		if !begun {
			fmt.Fprintf(w, "\n| `%s` | |\n|---|---|\n", k.Name)
			begun = true
		}
		limited := ""
		if h.Refuses != nil {
			limited = " (not every value)"
		}
		fmt.Fprintf(w, "| `%s`%s | %s |\n", k.Attributes[i].Name, limited, cell(h.As))
	}
}

// zoneProviders are the providers that have nothing to say of holdings, but the
// embedded one.
func zoneProviders() string {
	var names []string
	for _, name := range schema.Providers() {
		if name != schema.DefaultProvider && schema.ProviderByName(name).Holds == nil {
			names = append(names, "`"+name+"`")
		}
	}
	return strings.Join(names, ", ")
}
