package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strconv"
	"sync"

	"github.com/mailform/mailform/schema"
	"github.com/mailform/mailform/schema/attrjson"
	"github.com/mailform/mailform/schema/rawjson"
	"github.com/zclconf/go-cty/cty"
)

// attributes writes those of the resource to the end of dst.
func (r *Resource) attributes(dst []byte) ([]byte, error) {
	if r.Attrs == cty.NilVal {
		return dst, fmt.Errorf("encode state of %s: there are no attributes", r.Address)
	}
	out, err := attrjson.Append(dst, schema.KindByName(r.ID.Kind), r.Attrs)
	if err != nil {
		if !r.Attrs.IsWhollyKnown() {
			return dst, fmt.Errorf("encode state of %s: attributes are not all known", r.Address)
		}
		return dst, fmt.Errorf("encode state of %s: %w", r.Address, err)
	}
	return out, nil
}

// appendPut writes the line of a resource to the end of dst, byte for byte as
// encoding/json does, with a short way for what [plainPut] reads in one.
func appendPut(dst []byte, serial uint64, r *Resource) ([]byte, error) {
	short := len(r.DependsOn) == 0 && !r.PreventDestroy && r.Declared == "" && !r.Adopted && r.Staging == nil
	for _, text := range []string{r.ID.Target, r.ID.Kind, r.ID.Key} {
		short = short && rawjson.Plain(text)
	}
	if !short {
		rec, err := r.record()
		if err != nil {
			return dst, err
		}
		return appendJSON(dst, record{Serial: serial, Put: rec})
	}
	start := len(dst)
	if serial == 0 {
		dst = append(dst, `{"put":{"target":"`...)
	} else {
		dst = append(dst, `{"serial":`...)
		dst = strconv.AppendUint(dst, serial, 10)
		dst = append(dst, `,"put":{"target":"`...)
	}
	dst = append(dst, r.ID.Target...)
	dst = append(dst, `","kind":"`...)
	dst = append(dst, r.ID.Kind...)
	dst = append(dst, `","key":"`...)
	dst = append(dst, r.ID.Key...)
	dst = append(dst, `","address":`...)
	var err error
	if dst, err = rawjson.AppendText(dst, r.Address); err != nil {
		return dst[:start], err
	}
	dst = append(dst, `,"attrs":`...)
	if dst, err = r.attributes(dst); err != nil {
		return dst[:start], err
	}
	return append(dst, "}}"...), nil
}

func appendJSON(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

// append writes the line of an entry to the end of dst.
func (e Entry) append(dst []byte, serial uint64) ([]byte, error) {
	if e.Put != nil {
		return appendPut(dst, serial, e.Put)
	}
	r, err := e.record(serial)
	if err != nil {
		return dst, err
	}
	return appendJSON(dst, r)
}

// atOnce is how many lines are made before they are written: enough to keep all
// processors busy, and few enough that they take no memory to speak of.
const atOnce = 8192

// lines makes n lines, on as many processors as there are, and hands them to write
// in their order, many at a time. Line i is what one writes to the end of dst.
func lines(n int, one func(dst []byte, i int) ([]byte, error), write func([]byte) error) error {
	const least = 256 // lines that are worth a goroutine
	var parts []bytes.Buffer
	for from := 0; from < n; from += atOnce {
		count := min(atOnce, n-from)
		workers := min(runtime.GOMAXPROCS(0), count/least+1)
		parts = append(parts, make([]bytes.Buffer, max(0, workers-len(parts)))...)
		errs := make([]error, workers)
		part := func(w int) {
			parts[w].Reset()
			for i := from + w*count/workers; i < from+(w+1)*count/workers && errs[w] == nil; i++ {
				var line []byte
				line, errs[w] = one(parts[w].AvailableBuffer(), i)
				parts[w].Write(line)
			}
		}
		var wg sync.WaitGroup
		for w := 1; w < workers; w++ {
			wg.Go(func() { part(w) })
		}
		part(0)
		wg.Wait()
		for w, err := range errs {
			if err == nil {
				err = write(parts[w].Bytes())
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
