package postfix

import (
	"maps"
	"slices"
	"strings"
)

// An instance that postmulti makes beside another one has "inet" in
// master_service_disable, so that the services of its master.cf do not take the ports
// of the first, and is left alone by "postfix start" until multi_instance_enable says
// otherwise (postmulti(1)).

// disabled is the parameter with the services of master.cf that are not to run.
const disabled = "master_service_disable"

// disables reports whether a list of services has one of master.cf not run. The first
// element that speaks of it holds, and one with ! says that it runs (postconf(5)).
func disables(list []string, key string) bool {
	_, typ, _ := strings.Cut(key, "/")
	for _, el := range list {
		what, runs := strings.CutPrefix(el, "!")
		if what == key || what == typ {
			return !runs
		}
	}
	return false
}

// settleDisabled has the services of ours run, whatever others have disabled, and has
// Postfix leave alone the ports that another server takes. Services may have those in
// master.cf as it was before mailform came: it is so until the next change, before
// which Postfix is stopped, or takes its ports back.
func (w *world) settleDisabled() error {
	_, ours := w.ledger.Main[disabled]
	if ours && len(w.ledger.Disabled) == 0 { // of a version that did not keep what is ours in it
		if err := w.giveBack(disabled); err != nil {
			return err
		}
		delete(w.ledger.Main, disabled)
		ours = false
	}
	have, _ := w.main.parameter(disabled)
	rest := slices.DeleteFunc(splitList(have), func(el string) bool { return slices.Contains(w.ledger.Disabled, el) })
	var list []string
	for _, key := range w.master.keys() {
		name, typ, _ := strings.Cut(key, "/")
		if _, port := endpoint(name); typ == "inet" && w.yielded[port] {
			list = append(list, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(w.ledger.Master)) {
		if disables(slices.Concat(list, rest), key) && !slices.Contains(list, key) {
			list = append(list, "!"+key)
		}
	}
	w.ledger.Disabled = list
	if len(list) > 0 {
		if value := strings.Join(append(list, rest...), ", "); !same(have, value) {
			return w.setParameter(disabled, value)
		}
		return nil
	}
	if !ours {
		return nil
	}
	was, _ := parseMain([]byte(w.ledger.Main[disabled])).parameter(disabled)
	if same(was, strings.Join(rest, ", ")) {
		w.main.restore(disabled, w.ledger.Main[disabled])
		delete(w.ledger.Main, disabled)
		return nil
	}
	// Others have changed the rest meanwhile.
	err := w.setParameter(disabled, strings.Join(rest, ", "))
	delete(w.ledger.Main, disabled)
	return err
}

// enabling is the parameter that says whether "postfix start" and its like of the first
// instance mean this one too; naming are those that only one of several has.
const enabling = "multi_instance_enable"

var naming = []string{"multi_instance_name", "multi_instance_group", enabling}

// deriveService has one of several instances start with the others.
func deriveService(a attrs, former func(string) string) native {
	n := native{}
	if a.Bool("running") && slices.ContainsFunc(naming, func(name string) bool { return former(name) != "" }) {
		n.params = map[string]string{enabling: "yes"}
	}
	return n
}

// serves reports whether the daemon runs, and would with the others of its machine.
func (w *world) serves(n native) bool {
	want, ours := n.params[enabling]
	return w.running && (!ours || same(w.params[enabling], want))
}
