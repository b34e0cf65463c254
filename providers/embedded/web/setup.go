package web

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/clients"
)

// policy answers other mail servers (RFC 8461 §3.3). Only the name that is made for it
// has policies: whoever asks under another one is told of no domain.
func (s *Server) policy(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(hostOf(r), "mta-sts.")
	var d *Domain
	if ok {
		d = s.opts.Domain(name)
	}
	if d == nil || d.Policy == "" {
		notHere(w, "There is no MTA-STS policy under this name.")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=us-ascii")
	_, _ = io.WriteString(w, d.Policy)
}

// thunderbird answers Thunderbird and the many that ask as it does. It puts the user's address
// where the answer has a place for it, so that the answer is the same for all.
func (s *Server) thunderbird(w http.ResponseWriter, r *http.Request) {
	d, _ := s.asked(r, r.URL.Query().Get("emailaddress"), "autoconfig.")
	if d == nil {
		notHere(w, "There are no settings for this domain.")
		return
	}
	document(w, "text/xml; charset=utf-8", (&clients.Setup{Domain: d.Name, Doors: d.Doors}).Thunderbird)
}

// A request of Autodiscover (MS-OXDSCLI §2.2.3).
type outlookRequest struct {
	Address string `xml:"Request>EMailAddress"`
}

// outlook answers Outlook.
func (s *Server) outlook(w http.ResponseWriter, r *http.Request) {
	var q outlookRequest
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			http.Error(w, "The request is too large.", http.StatusRequestEntityTooLarge)
			return
		}
		if err == nil {
			err = xml.Unmarshal(body, &q)
		}
		if err != nil {
			http.Error(w, "The request is no Autodiscover.", http.StatusBadRequest)
			return
		}
	}
	d, address := s.asked(r, strings.TrimSpace(q.Address), "autodiscover.")
	if d == nil {
		notHere(w, "There are no settings for this domain.")
		return
	}
	document(w, "text/xml; charset=utf-8", (&clients.Setup{Domain: d.Name, Address: address, Doors: d.Doors}).Outlook)
}

// outlookProtocol answers newer versions of Outlook, which ask in JSON where the XML is.
func (s *Server) outlookProtocol(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if protocol := q.Get("Protocol"); !strings.EqualFold(protocol, "AutodiscoverV1") {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"ErrorCode": "InvalidProtocol", "ErrorMessage": "The protocol is none of these: AutodiscoverV1."})
		return
	}
	d, _ := s.asked(r, q.Get("Email"), "autodiscover.")
	if d == nil {
		notHere(w, "There are no settings for this domain.")
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(map[string]string{"Protocol": "AutodiscoverV1", "Url": "https://autodiscover." + d.Name + "/autodiscover/autodiscover.xml"})
}

// apple hands out a profile, signed with the certificate of the server where that has a
// key that can.
func (s *Server) apple(w http.ResponseWriter, r *http.Request) {
	d, address := s.asked(r, r.URL.Query().Get("address"), "")
	if d == nil || address == "" {
		notHere(w, "There are no settings for this address.")
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="mail.mobileconfig"`)
	document(w, "application/x-apple-aspen-config", func() ([]byte, error) {
		setup := &clients.Setup{Domain: d.Name, Address: address, Doors: d.Doors}
		if d.Authority {
			var err error
			if setup.Authority, err = s.opts.Authority(); err != nil {
				s.opts.Log.Error("read the authority", "error", err)
			}
		}
		profile, err := setup.Apple()
		if err != nil {
			return nil, err
		}
		cert, err := s.opts.Certificate()
		if err == nil {
			var signed []byte
			if signed, err = clients.Sign(profile, cert); err == nil {
				return signed, nil
			}
		}
		s.opts.Log.Warn("a profile is handed out without a signature", "error", err)
		return profile, nil
	})
}

// asked is the domain that a client asks about: that of an address, or for want of one
// that whose name with a prefix it asks under. The address is in canonical form; empty
// if there is none.
func (s *Server) asked(r *http.Request, text, prefix string) (*Domain, string) {
	if text != "" {
		a, err := schema.ParseAddress(text)
		if err != nil {
			return nil, ""
		}
		return s.opts.Domain(a.Domain), a.String()
	}
	host := hostOf(r)
	if d := s.opts.Domain(host); d != nil {
		return d, ""
	}
	if name, ok := strings.CutPrefix(host, prefix); ok && prefix != "" {
		return s.opts.Domain(name), ""
	}
	return nil, ""
}

// document answers with what make makes. What cannot be made is the same as what is not
// there: a domain without a way to read or to send mail.
func document(w http.ResponseWriter, contentType string, make func() ([]byte, error)) {
	text, err := make()
	if err != nil {
		w.Header().Del("Content-Disposition")
		notHere(w, "There is nothing to set up a mail program with: "+err.Error()+".")
		return
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(text)
}

func notHere(w http.ResponseWriter, text string) { http.Error(w, text, http.StatusNotFound) }
