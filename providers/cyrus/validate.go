package cyrus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailform/mailform/providers"
	"github.com/mailform/mailform/providers/ldap"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

// Validate implements providers.Validator: what Cyrus cannot hold, and what its
// files hold already that would be in the way.
func (p *Provider) Validate(ctx context.Context, wanted []schema.Resource) ([]providers.Problem, error) {
	p = p.reader()
	w, err := p.load(ctx, false)
	if err != nil {
		return nil, err
	}
	var problems []providers.Problem
	store := ""
	partition := p.partitionOption(w.options)
	mail := w.at
	block := map[string]string{} // that says what an option is
	for i := range wanted {
		switch r := &wanted[i]; {
		case r.Kind != schema.KindLocation:
		case r.Key == storageKey:
			block[partition] = r.Key
			if v, _ := r.Attrs.GetAttr("path").Unmark(); v.IsKnown() && !v.IsNull() {
				mail = v.AsString()
			}
		case r.Key == indexKey:
			block[p.indexOption(w.options)], block[indexFilesOption] = r.Key, r.Key
		}
	}
	for _, r := range wanted {
		if classOf(r.Kind) == noClass || r.Attrs == cty.NilVal || !r.Attrs.IsWhollyKnown() && !onlyComputed(r) {
			continue
		}
		want, err := p.readWish(r)
		if err == nil && r.Kind == schema.KindLocation && r.Key == indexKey {
			err = w.beside(want.place, mail)
		}
		var lack *lacking
		switch {
		case errors.As(err, &lack):
			problems = append(problems, providers.Problem{Address: r.Address, Attribute: lack.attribute, Detail: sentence("the provider cyrus cannot hold it: " + lack.why)})
		case err != nil:
			problems = append(problems, providers.Problem{Address: r.Address, Detail: sentence(err.Error())})
		case want.option != nil && block[want.option.name] != "":
			problems = append(problems, providers.Problem{Address: r.Address, Attribute: "name", Detail: sentence("the block " + block[want.option.name] + " says what " + want.option.name + " is")})
		case want.store != nil:
			if store != "" {
				problems = append(problems, providers.Problem{Address: r.Address, Detail: fmt.Sprintf("One Cyrus keeps the mail of one server, and this one that of %s. Each needs a provider \"cyrus\" with an alias and a config_dir of its own.", store)})
			}
			store = r.Address
		case want.lookup != nil:
			if err := ldap.Sees(ctx, *want.lookup); err != nil {
				problems = append(problems, providers.Problem{Address: r.Address, Detail: fmt.Sprintf("Cyrus would find no users in the directory: %s.", err)})
			}
		case want.listener != nil:
			for _, e := range w.services.foreign(sectionServices) {
				if same, conflict := meets(e, []aListener{*want.listener}); conflict && !same {
					problems = append(problems, providers.Problem{Address: r.Address, Attribute: "listen",
						Detail: fmt.Sprintf("The service %s in %s listens on %s already, with the program %s. Take it out there, or listen elsewhere.", e.name, p.servicesPath(), e.args["listen"], e.args["cmd"])})
				}
			}
		}
	}
	return problems, nil
}

// onlyComputed reports whether nothing is unknown but what the server decides.
func onlyComputed(r schema.Resource) bool {
	k := schema.KindByName(r.Kind)
	if !r.Attrs.IsKnown() || r.Attrs.IsNull() || !r.Attrs.Type().Equals(k.Type()) {
		return false
	}
	for _, a := range k.Attributes {
		if !a.Computed && !r.Attrs.GetAttr(a.Name).IsWhollyKnown() {
			return false
		}
	}
	return true
}

// sentence makes of an error one that stands for itself.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
