package embedded_test

import (
	"fmt"

	"github.com/mailform/mailform/providers/providertest"
	"github.com/mailform/mailform/schema"
	"github.com/zclconf/go-cty/cty"
)

func upkeepOf(owner string, trash, junk int64, warn ...int64) schema.Resource {
	return providertest.Resource(schema.KindUpkeep, owner, attrs{"owner": str(owner), "trash": num(trash), "junk": num(junk), "warn": percents(warn...)})
}

func percents(list ...int64) cty.Value {
	if len(list) == 0 {
		return cty.ListValEmpty(cty.Number)
	}
	var vs []cty.Value
	for _, n := range list {
		vs = append(vs, num(n))
	}
	return cty.ListVal(vs)
}

func upkeeps() providertest.Sample {
	return providertest.Sample{
		Good:    upkeepOf("main", 30*24*3600, 7*24*3600, 80, 95),
		Changed: attrs{"trash": num(1), "junk": num(0), "warn": percents()},
		Odd:     map[string]schema.Resource{"nothing": upkeepOf("nothing", 0, 0)},
		Refused: map[string][]cty.Value{
			"owner": {str("")},
			"trash": {num(-1)},
			"junk":  {num(-1)},
			"warn":  {percents(80, 80), percents(95, 80), percents(101), percents(-1)},
		},
		Many: many(50, func(i int) schema.Resource { return upkeepOf(fmt.Sprintf("many%d", i), int64(i), 0, 50) }),
	}
}
