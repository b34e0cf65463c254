package schema

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// sizeUnits in the order in which FormatSize tries them.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3},
	{"B", 1},
}

// ParseSize reads a size such as "2GiB", "1.5GB" or "0" as a number of bytes,
// which is never negative. Upper and lower case of the unit are the same.
func ParseSize(s string) (int64, error) {
	number, unit := splitUnit(s)
	if number == "" {
		if strings.HasPrefix(unit, "-") {
			return 0, errors.New("a size cannot be negative")
		}
		return 0, errors.New("it does not begin with a number")
	}
	factor := int64(1)
	if unit != "" {
		factor = 0
		for _, u := range sizeUnits {
			if strings.EqualFold(u.name, unit) {
				factor = u.bytes
			}
		}
		if factor == 0 {
			return 0, fmt.Errorf("%q is not a unit; the units are KiB, MiB, GiB, TiB, KB, MB, GB and TB", unit)
		}
	}
	n, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, fmt.Errorf("%q is not a number", number)
	}
	n.Mul(n, new(big.Rat).SetInt64(factor))
	if !n.IsInt() {
		return 0, errors.New("it is not a whole number of bytes")
	}
	if n.Cmp(new(big.Rat).SetInt64(math.MaxInt64)) > 0 {
		return 0, errors.New("it is larger than any size can be")
	}
	return n.Num().Int64(), nil
}

// splitUnit parts "1.5 GiB" into a decimal number and the rest. The number is
// empty where there is none, or none that can be the size of anything.
func splitUnit(s string) (number, unit string) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.' && i > 0) {
		i++
	}
	if i > 30 {
		return "", s
	}
	return s[:i], strings.TrimPrefix(s[i:], " ")
}

// FormatSize renders a number of bytes with the largest unit that leaves it
// whole: 2147483648 is "2GiB", 1500 is "1500".
func FormatSize(n int64) string {
	for _, u := range sizeUnits {
		if u.bytes > 1 && n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
