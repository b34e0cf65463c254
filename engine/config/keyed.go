package config

import (
	"cmp"
	"runtime"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// keyed evaluates a for_each that is written { for x in list : key => value }, on
// all processors and without making the object, whose type alone has an entry for
// each of many thousand instances. It reports false for another expression, and
// where anything is to be told of this one: the usual way then tells it.
func keyed(x *expression, ctx *hcl.EvalContext) (list []instance, ok bool) {
	f, is := x.Expression.(*hclsyntax.ForExpr)
	if !is || x.broken || f.KeyExpr == nil || f.Group {
		return nil, false
	}
	defer func() {
		if recover() != nil {
			list, ok = nil, false // the usual way says of which expression
		}
	}()
	coll, diags := f.CollExpr.Value(ctx)
	if len(diags) > 0 || coll.IsMarked() || !coll.IsKnown() || coll.IsNull() || !coll.CanIterateElements() {
		return nil, false
	}
	pairs := make([][2]cty.Value, 0, coll.LengthInt())
	for it := coll.ElementIterator(); it.Next(); {
		k, v := it.Element()
		pairs = append(pairs, [2]cty.Value{k, v})
	}
	workers := runtime.GOMAXPROCS(0)
	if len(pairs) < manyRows || callsFunction(f.KeyExpr) || callsFunction(f.ValExpr) || f.CondExpr != nil && callsFunction(f.CondExpr) {
		workers = 1
	}
	lists, good := make([][]instance, workers), make([]bool, workers)
	part := func(w int) {
		defer func() {
			if recover() != nil {
				good[w] = false
			}
		}()
		lists[w], good[w] = keyedPart(f, ctx, pairs[w*len(pairs)/workers:(w+1)*len(pairs)/workers])
	}
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { part(w) })
	}
	part(0)
	wg.Wait()
	if slices.Contains(good, false) {
		return nil, false
	}
	list = slices.Concat(lists...)
	slices.SortFunc(list, byKey)
	for i := 1; i < len(list); i++ {
		if byKey(list[i-1], list[i]) == 0 {
			return nil, false
		}
	}
	return list, true
}

// keyedPart evaluates the keys and values of some of the elements.
func keyedPart(f *hclsyntax.ForExpr, ctx *hcl.EvalContext, pairs [][2]cty.Value) ([]instance, bool) {
	own := ctx.NewChild()
	own.Variables = make(map[string]cty.Value, 2)
	list := make([]instance, 0, len(pairs))
	for _, p := range pairs {
		if f.KeyVar != "" {
			own.Variables[f.KeyVar] = p[0]
		}
		own.Variables[f.ValVar] = p[1]
		if f.CondExpr != nil {
			include, ok := plainValue(f.CondExpr, own, cty.Bool)
			if !ok {
				return nil, false
			}
			if include.False() {
				continue
			}
		}
		key, ok := plainValue(f.KeyExpr, own, cty.String)
		if !ok {
			return nil, false
		}
		value, diags := f.ValExpr.Value(own)
		if len(diags) > 0 {
			return nil, false
		}
		list = append(list, instance{key, cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})})
	}
	return list, true
}

// plainValue is a value of a type that is known, has no marks and is not null.
func plainValue(x hcl.Expression, ctx *hcl.EvalContext, want cty.Type) (cty.Value, bool) {
	v, diags := x.Value(ctx)
	if len(diags) > 0 {
		return v, false
	}
	v, err := convert.Convert(v, want)
	return v, err == nil && !v.IsMarked() && v.IsKnown() && !v.IsNull()
}

func byKey(a, b instance) int { return cmp.Compare(a.key.AsString(), b.key.AsString()) }
