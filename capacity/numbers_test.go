package capacity_test

import (
	"os"
	"strings"
	"testing"

	"capmon/capacity"
)

// The formulas of docs/NUMBERS.md are those that the code prints.
func TestNumbersPage(t *testing.T) {
	page, err := os.ReadFile("../docs/NUMBERS.md")
	if err != nil {
		t.Fatal(err)
	}
	seats := capacity.Limit{Name: "conns", Used: 88_420, Capacity: 90_000}
	nine := pool(t, "conns", 9, 88_420, 10_000)
	formula := func(r capacity.Result, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r.Formula
	}
	need, err := capacity.Size([]capacity.PoolLimit{nine}, capacity.Rule{Target: 0.8, Spare: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		formula(capacity.Utilisation(seats)),
		formula(capacity.HeadroomAfterSpare(nine, 0.8, 1)),
		formula(capacity.Room(seats)),
		formula(capacity.RoomOf(300, 0.25)),
		formula(capacity.LoseOne(nine)),
		need.Formula,
		formula(capacity.Floor(100, 0.5, 1, 0.8)),
		formula(capacity.MaxUtilisation(capacity.Workers{Count: 8, Service: 0.008}, capacity.Promise{Share: 0.99, Within: 0.05})),
		formula(capacity.Users(700, 3, 1)),
	} {
		if !strings.Contains(string(page), "`"+want+"`") {
			t.Errorf("docs/NUMBERS.md lacks `%s`", want)
		}
	}
}
