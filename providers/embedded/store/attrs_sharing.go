package store

import (
	"fmt"
	"slices"
)

type sharingAttrs struct {
	Address  string   `json:"address"`
	Readers  []string `json:"readers"`
	Writers  []string `json:"writers"`
	Managers []string `json:"managers"`
	Everyone string   `json:"everyone"`
}

func (a *sharingAttrs) key() string  { return a.Address }
func (*sharingAttrs) parent() string { return "" }

// Rights of those who are named in a declaration.
const (
	readerRights Rights = "lrs"
	writerRights Rights = "lrswipte"
)

// everyoneRights are those of everybody, by the word for it.
var everyoneRights = map[string]Rights{"nothing": "", "read": readerRights, "write": writerRights}

func (a *sharingAttrs) check() error {
	a.Readers, a.Writers, a.Managers = notNil(a.Readers), notNil(a.Writers), notNil(a.Managers)
	if err := checkAddress("address", a.Address); err != nil {
		return err
	}
	for name, who := range map[string][]string{"readers": a.Readers, "writers": a.Writers, "managers": a.Managers} {
		for i, address := range who {
			if err := checkAddress(fmt.Sprintf("%s[%d]", name, i), address); err != nil {
				return err
			}
		}
		if !slices.IsSorted(who) {
			return fmt.Errorf("%s is not sorted", name)
		}
	}
	if _, ok := everyoneRights[a.Everyone]; !ok {
		return fmt.Errorf("everyone is %q: expected nothing, read or write", a.Everyone)
	}
	return nil
}

// grants are the rights that the declaration gives.
func (a *sharingAttrs) grants() map[string]Rights {
	all := map[string]Rights{}
	for rights, who := range map[Rights][]string{readerRights: a.Readers, writerRights: a.Writers, AllRights: a.Managers} {
		for _, address := range who {
			all[address] = all[address].With(rights)
		}
	}
	// The account itself is there in any case: it is what makes a folder a shared one.
	all[a.Address] = AllRights
	if rights := everyoneRights[a.Everyone]; rights != "" {
		all[Anyone] = rights
	}
	return all
}

// share keeps what is declared where rights are asked for.
func (t *tx) shareAccount(d *declared, done verdict) error {
	if _, err := t.exec(`DELETE FROM share WHERE address = ?`, d.Key); err != nil || done == remove {
		return err
	}
	for who, rights := range d.attrs.(*sharingAttrs).grants() {
		if _, err := t.exec(`INSERT INTO share (address, identifier, rights) VALUES (?, ?, ?)`, d.Key, who, string(rights)); err != nil {
			return err
		}
	}
	return nil
}
