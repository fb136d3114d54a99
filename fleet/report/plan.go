package report

import (
	"io"

	"capmon/capacity"
)

// PlanSchema names the contract of PlanJSON. Keys are only ever added to it.
const PlanSchema = "capmon.plan/1"

// PlanJSON writes a plan as one object with the same pools as a snapshot's, and
// what only a plan has beside them.
func PlanJSON(w io.Writer, p capacity.Plan) error {
	return planEncode(w, planDocument(p))
}

type planDoc struct {
	Schema string   `json:"schema"`
	Pools  []pool   `json:"pools"`
	Plan   planPart `json:"plan"`
}

type planPart struct {
	Users       num         `json:"users"`
	RPS         num         `json:"rps"`
	LaterS      num         `json:"later_s"`
	Later       num         `json:"later"`
	Target      num         `json:"target"`
	TargetFrom  text        `json:"target_from"`
	Limits      []planLimit `json:"limits"`
	Servers     []serverRow `json:"servers"`
	Scalability *planCurve  `json:"scalability"`
	Advice      []string    `json:"advice"`
}

type planLimit struct {
	Name      string `json:"name"`
	Used      num    `json:"used"`
	PerServer num    `json:"per_server"`
	Unit      string `json:"unit"`
	From      string `json:"from"`
	Target    num    `json:"target"`
	Servers   int    `json:"servers"`
}

type planCurve struct {
	Alpha num  `json:"alpha"`
	Beta  num  `json:"beta"`
	Gamma num  `json:"gamma"`
	Error num  `json:"residual_error"`
	Peak  num  `json:"peak"`
	Best  num  `json:"best_workers"`
	Few   text `json:"too_few"` // why the peak is not to be trusted
}

func planDocument(p capacity.Plan) planDoc {
	s := p.Sizing
	v := pool{
		Name: "plan", Hosts: p.Servers, Bound: text(s.Limit), Headroom: num(p.Headroom), RoomRPS: num(p.RoomRPS),
		Need: num(number(s.Need)), Raw: num(number(s.Raw)), Spare: s.Spare, Run: num(number(s.Run)), Short: num(number(s.Short)),
		Trend: capacity.DirectionUnknown.String(), FullInS: num(p.FullIn), Formula: text(s.Formula), Steps: orEmpty(p.Steps),
		Target: num(capacity.Known(p.Target)), TargetFrom: text(p.Basis), Users: num(p.Users), RPS: num(p.RPS),
		RPSCapacity: estimateOf(capacity.Estimate{}), Servers: serverRows(p.Rows), Limits: []poolLimit{}, WaitsS: num(capacity.Known(0)),
	}
	if p.Unit == "users" {
		v.RoomUsers = num(p.Room)
	}
	if p.FullIn.OK {
		v.Trend = capacity.Falling.String()
	}
	if p.WarmUp > 0 {
		v.WarmUpS = num(capacity.Known(p.WarmUp.Seconds()))
		if late := p.WarmUp.Seconds() - p.FullIn.V; p.FullIn.OK && late > 0 {
			v.LateS = num(capacity.Known(late))
		}
	}
	if p.Growth.PerSecond != 0 && p.Growth.Share == 0 {
		v.GrowthPerMin = num(capacity.Known(p.Growth.PerSecond * 60))
	}
	for _, r := range p.Rows {
		if r.Servers == p.Servers {
			v.LoseOne = num(r.Lost)
		}
	}
	part := planPart{
		Users: num(p.Users), RPS: num(p.RPS), Later: num(p.Later), Target: num(capacity.Known(p.Target)), TargetFrom: text(p.Basis),
		Limits: []planLimit{}, Servers: serverRows(p.Rows), Advice: orEmpty(p.Advice),
	}
	if p.Later.OK {
		part.LaterS = num(capacity.Known(p.Growth.Horizon().Seconds()))
	}
	for i, l := range p.Limits {
		target := p.Target
		if l.Target != 0 {
			target = l.Target
		}
		part.Limits = append(part.Limits, planLimit{
			Name: l.Name, Used: num(capacity.Known(l.Used)), PerServer: num(capacity.Known(l.Typical())), Unit: l.Unit, From: l.From,
			Target: num(capacity.Known(target)), Servers: s.Each[i],
		})
	}
	if p.Scaling != nil {
		part.Scalability = curveOf(*p.Scaling)
	}
	return planDoc{Schema: PlanSchema, Pools: []pool{v}, Plan: part}
}
