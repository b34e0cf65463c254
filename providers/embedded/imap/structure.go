package imap

import (
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/mailform/mailform/providers/embedded/imap/internal/command"
	"github.com/mailform/mailform/providers/embedded/imap/internal/message"
	"github.com/mailform/mailform/providers/embedded/imap/internal/wire"
)

// writeSectionName writes the name of a section as the response has it.
func writeSectionName(w *wire.Writer, item *command.FetchItem) {
	w.Raw(item.Name)
	s := item.Section
	if strings.HasPrefix(item.Name, "RFC822") {
		return
	}
	w.Raw("[")
	for i, n := range s.Part {
		if i > 0 {
			w.Raw(".")
		}
		w.Raw(strconv.Itoa(n))
	}
	if s.Specifier != imap.PartSpecifierNone {
		if len(s.Part) > 0 {
			w.Raw(".")
		}
		w.Raw(string(s.Specifier))
	}
	names := s.HeaderFields
	if len(names) > 0 {
		w.Raw(".FIELDS")
	} else if names = s.HeaderFieldsNot; len(names) > 0 {
		w.Raw(".FIELDS.NOT")
	}
	if len(names) > 0 {
		w.Raw(" (")
		for i, name := range names {
			if i > 0 {
				w.Raw(" ")
			}
			w.AString(name)
		}
		w.Raw(")")
	}
	w.Raw("]")
	if s.Partial != nil {
		w.Raw("<").Uint(uint64(s.Partial.Offset)).Raw(">")
	}
}

// writeEnvelope writes an ENVELOPE (RFC 9051 §7.5.2). Text stays encoded as the
// message has it.
func writeEnvelope(w *wire.Writer, h message.Fields) {
	w.Raw("(").NString(h.Get("Date")).Raw(" ").NString(h.Get("Subject"))
	from := h.All("From")
	for _, name := range []string{"From", "Sender", "Reply-To", "To", "Cc", "Bcc"} {
		w.Raw(" ")
		values := h.All(name)
		if len(values) == 0 && (name == "Sender" || name == "Reply-To") {
			values = from
		}
		var list []imap.Address
		for _, v := range values {
			list = append(list, message.ParseAddresses(v)...)
		}
		writeAddresses(w, list)
	}
	w.Raw(" ").NString(h.Get("In-Reply-To")).Raw(" ").NString(h.Get("Message-ID")).Raw(")")
}

func writeAddresses(w *wire.Writer, list []imap.Address) {
	if len(list) == 0 {
		w.Raw("NIL")
		return
	}
	w.Raw("(")
	for _, a := range list {
		w.Raw("(").NString(a.Name).Raw(" NIL ").NString(a.Mailbox).Raw(" ").NString(a.Host).Raw(")")
	}
	w.Raw(")")
}

// writeStructure writes BODY, or BODYSTRUCTURE with the extension data (RFC
// 9051 §7.5.2).
func writeStructure(w *wire.Writer, p *message.Part, extended bool) {
	w.Raw("(")
	switch {
	case p.Multipart():
		for _, child := range p.Children {
			writeStructure(w, child, extended)
		}
		w.Raw(" ").String(strings.ToUpper(p.Subtype))
		if extended {
			w.Raw(" ")
			writeParams(w, p.Params)
			writeExtension(w, p)
		}
	case p.Type == "multipart":
		// A multipart without parts; the grammar wants one.
		w.Raw(`("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0`)
		if extended {
			w.Raw(" NIL NIL NIL NIL")
		}
		w.Raw(") ").String(strings.ToUpper(p.Subtype))
		if extended {
			w.Raw(" ")
			writeParams(w, p.Params)
			writeExtension(w, p)
		}
	default:
		writeSinglePart(w, p)
		if extended {
			w.Raw(" ").NString(p.Fields.Get("Content-MD5"))
			writeExtension(w, p)
		}
	}
	w.Raw(")")
}

func writeSinglePart(w *wire.Writer, p *message.Part) {
	mainType, subtype := p.Type, p.Subtype
	isMessage := mainType == "message" && (subtype == "rfc822" || subtype == "global")
	if isMessage && p.Message == nil {
		// Encoded, or nested too deeply to be taken apart: without its envelope it
		// must not be called a message.
		mainType, subtype, isMessage = "application", "octet-stream", false
	}
	encoding := strings.TrimSpace(p.Fields.Get("Content-Transfer-Encoding"))
	if encoding == "" {
		encoding = "7BIT"
	}
	w.String(strings.ToUpper(mainType)).Raw(" ").String(strings.ToUpper(subtype)).Raw(" ")
	params := p.Params
	if mainType == "text" && len(params) == 0 {
		params = []message.Param{{Name: "CHARSET", Value: "US-ASCII"}}
	}
	writeParams(w, params)
	w.Raw(" ").NString(p.Fields.Get("Content-ID")).
		Raw(" ").NString(p.Fields.Get("Content-Description")).
		Raw(" ").String(strings.ToUpper(encoding)).
		Raw(" ").Uint(uint64(p.Body.Size()))
	if isMessage {
		w.Raw(" ")
		writeEnvelope(w, p.Message.Fields)
		w.Raw(" ")
		writeStructure(w, p.Message, false)
	}
	if isMessage || mainType == "text" {
		w.Raw(" ").Uint(uint64(p.Lines))
	}
}

// writeExtension writes disposition, language and location.
func writeExtension(w *wire.Writer, p *message.Part) {
	w.Raw(" ")
	if value, params := message.ParseParams(p.Fields.Get("Content-Disposition")); value != "" {
		w.Raw("(").String(strings.ToUpper(value)).Raw(" ")
		writeParams(w, params)
		w.Raw(")")
	} else {
		w.Raw("NIL")
	}
	w.Raw(" ")
	var languages []string
	for lang := range strings.SplitSeq(p.Fields.Get("Content-Language"), ",") {
		if lang = strings.TrimSpace(lang); lang != "" {
			languages = append(languages, lang)
		}
	}
	if len(languages) == 0 {
		w.Raw("NIL")
	} else {
		w.Raw("(")
		for i, lang := range languages {
			if i > 0 {
				w.Raw(" ")
			}
			w.String(lang)
		}
		w.Raw(")")
	}
	w.Raw(" ").NString(p.Fields.Get("Content-Location"))
}

func writeParams(w *wire.Writer, params []message.Param) {
	if len(params) == 0 {
		w.Raw("NIL")
		return
	}
	w.Raw("(")
	for i, p := range params {
		if i > 0 {
			w.Raw(" ")
		}
		w.String(strings.ToUpper(p.Name)).Raw(" ").String(p.Value)
	}
	w.Raw(")")
}
