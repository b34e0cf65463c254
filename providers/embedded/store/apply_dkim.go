package store

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/mailform/mailform/providers/embedded/admin"
	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/rdata"
)

// A dkimPair is a new signing key.
type dkimPair struct {
	txt     string
	private []byte // PEM of PKCS #8
}

// makeDKIMKeys makes the keys that changes ask for. That takes long, so it comes
// before the transaction.
func (s *Store) makeDKIMKeys(ctx context.Context, changes []declared) error {
	going := map[string]bool{} // a key that is replaced: deleted and made anew
	for i := range changes {
		d := &changes[i]
		if d.Kind == schema.KindDKIMKey && d.Action == "delete" {
			going[d.Key] = true
		}
		want, ok := d.attrs.(*dkimAttrs)
		if !ok || d.Action != "create" {
			continue
		}
		var n int
		if err := s.read.row(ctx, `SELECT COUNT(*) FROM dkim_key WHERE key = ?`, []any{d.Key}, &n); err != nil {
			return fmt.Errorf("read DKIM key %s: %w", d.Key, err)
		}
		if n > 0 && !going[d.Key] {
			continue
		}
		pair, err := newDKIMPair(want.Algorithm, want.Bits)
		if err != nil {
			return fmt.Errorf("make DKIM key %s: %w", d.Key, err)
		}
		d.key = pair
	}
	return nil
}

func newDKIMPair(algorithm string, bits int) (*dkimPair, error) {
	var private any
	var public []byte
	if algorithm == "ed25519" {
		pub, priv, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		private, public = priv, pub
	} else {
		priv, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			return nil, err
		}
		private = priv
		if public, err = x509.MarshalPKIXPublicKey(priv.Public()); err != nil {
			return nil, err
		}
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return &dkimPair{
		txt:     rdata.DKIM{Algorithm: algorithm, Key: public}.Text(),
		private: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}, nil
}

// applyDKIMKey applies a change of a signing key. A key cannot be altered, only
// its owner can.
func (t *tx) applyDKIMKey(d *declared, revision string) (admin.Resource, error) {
	var have *present
	var p present
	var is dkimAttrs
	err := t.row(`SELECT owner, lineage, revision, domain, selector, algorithm, bits, txt FROM dkim_key WHERE key = ?`, []any{d.Key},
		&p.owner, &p.lineage, &p.revision, &is.Domain, &is.Selector, &is.Algorithm, &is.Bits, &is.TXT)
	want, _ := d.attrs.(*dkimAttrs)
	switch {
	case err == nil:
		p.same = want != nil && want.Algorithm == is.Algorithm && want.Bits == is.Bits
		have = &p
	case !errors.Is(err, sql.ErrNoRows):
		return admin.Resource{}, fmt.Errorf("read DKIM key %s: %w", d.Key, err)
	}
	todo, err := d.compare(have)
	if err != nil {
		return admin.Resource{}, err
	}
	switch todo {
	case insert:
		if d.key == nil {
			// It was there when the batch was prepared.
			return admin.Resource{}, d.refuse(codeConflict, "it was deleted meanwhile")
		}
		is = *want
		is.TXT = d.key.txt
		_, err = t.exec(`INSERT INTO dkim_key (key, owner, lineage, revision, domain, selector, algorithm, bits, txt, private)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			d.Key, d.Owner, d.Lineage, revision, is.Domain, is.Selector, is.Algorithm, is.Bits, is.TXT, d.key.private)
	case update:
		if !p.same {
			return admin.Resource{}, d.refuse(codeInvalid, "algorithm and bits of a key cannot be changed: delete it and make another")
		}
		_, err = t.exec(`UPDATE dkim_key SET owner = ?, lineage = ?, revision = ? WHERE key = ?`, d.Owner, d.Lineage, revision, d.Key)
	case remove:
		_, err = t.exec(`DELETE FROM dkim_key WHERE key = ?`, d.Key)
	default:
		revision = p.revision
	}
	if err != nil {
		return admin.Resource{}, fmt.Errorf("%s DKIM key %s: %w", d.Action, d.Key, err)
	}
	if d.Action == "delete" {
		return d.gone(), nil
	}
	text, err := json.Marshal(&is)
	if err != nil {
		return admin.Resource{}, fmt.Errorf("encode DKIM key %s: %w", d.Key, err)
	}
	return d.resource(revision, text), nil
}

// DKIMKeys lists the signing keys of a domain by selector.
func (s *Store) DKIMKeys(ctx context.Context, domain string) (keys []DKIMKey, err error) {
	err = s.read.rows(ctx, `SELECT domain, selector, algorithm, private FROM dkim_key WHERE domain = ? ORDER BY selector`,
		[]any{canonicalDomain(domain)}, func(r *sql.Rows) error {
			var k DKIMKey
			defer func() { keys = append(keys, k) }()
			return r.Scan(&k.Domain, &k.Selector, &k.Algorithm, &k.PrivatePEM)
		})
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", schema.KindDKIMKey, domain, err)
	}
	return keys, nil
}
