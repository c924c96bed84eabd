package config

import (
	"slices"
	"strings"
	"sync"
)

// SampleRow is one row of the tables of sample fetches and converters: all that
// parser, help and reference need to know.
type SampleRow struct {
	Name      string
	Converter bool
	Args      string     // argument types, optional ones in brackets: "integer[,table]"
	In, Out   SampleType // In of converters only
	Places    Place      // where a fetch has its sample
	State     State
	Why       string // reason for Refused
	Since     string // version of HAProxy's language that brought it, if later than the one spoken here
	Help      string // one sentence without a full stop

	check func(*checker) *argFault
}

func (r *SampleRow) synopsis() string {
	if r.Args == "" {
		return r.Name
	}
	return r.Name + "(" + r.Args + ")"
}

// fetchRow and convRow are the compact forms of the tables.
type fetchRow struct {
	name, args string
	out        SampleType
	places     Place
	state      State
	help       string
}

type convRow struct {
	name, args string
	in, out    SampleType
	state      State
	help       string
}

const (
	whyHTTPSample = "it is for HTTP, this is a TCP proxy"
	whyInternal   = "it looks into the insides of HAProxy"
	sinceLater    = "3.1 or later"
)

// Fetches returns the rows of all sample fetches, sorted by name.
func Fetches() []SampleRow {
	tables := []struct {
		rows []fetchRow
		why  string
	}{
		{connFetches, ""}, {payloadFetches, ""}, {sslFetches, ""}, {stateFetches, ""}, {stickFetches, ""},
		{httpFetches, whyHTTPSample}, {internalFetches, whyInternal},
	}
	var all []SampleRow
	for _, table := range tables {
		for _, r := range table.rows {
			row := SampleRow{Name: r.name, Args: r.args, Out: r.out, Places: r.places, State: r.state, Help: r.help, check: fetchChecks[r.name]}
			if r.state == Refused {
				row.Why = table.why
			}
			all = append(all, row)
		}
	}
	for _, name := range strings.Fields(laterFetches) {
		all = append(all, SampleRow{Name: name, State: Refused, Since: sinceLater})
	}
	return sortRows(all)
}

// Converters returns the rows of all converters, sorted by name.
func Converters() []SampleRow {
	var all []SampleRow
	for _, r := range slices.Concat(converters, httpConverters) {
		row := SampleRow{Name: r.name, Converter: true, Args: r.args, In: r.in, Out: r.out, State: r.state, Help: r.help, check: converterChecks[r.name]}
		if r.state == Refused {
			row.Why = whyHTTPSample
		}
		if strings.HasPrefix(r.name, "map") {
			row.check = checkMap
		}
		all = append(all, row)
	}
	for _, name := range strings.Fields(laterConverters) {
		all = append(all, SampleRow{Name: name, Converter: true, State: Refused, Since: sinceLater})
	}
	return sortRows(all)
}

func sortRows(rows []SampleRow) []SampleRow {
	slices.SortFunc(rows, func(a, b SampleRow) int { return strings.Compare(a.Name, b.Name) })
	return rows
}

// laterFetches are those that HAProxy's language got after the version spoken here.
const laterFetches = `
	bc_reused bc_settings_streams_limit be_connect_timeout be_max_retries be_queue_timeout
	be_tarpit_timeout cur_connect_timeout cur_max_retries cur_queue_timeout cur_tarpit_timeout
	fc_saved_syn fe_tarpit_timeout req.bytes_in req.bytes_out res.bytes_in res.bytes_out
	cpu_usage_grp cpu_usage_proc cpu_usage_thr dump_all_vars spoe.engine-id tgroup
	req.ssl_cipherlist req.ssl_keyshare_groups req.ssl_sigalgs req.ssl_supported_groups ssl_bc_sni
	ssl_c_policies ssl_c_san ssl_fc_crtname ssl_fc_early_rcvd ssl_fc_sigalgs_bin
	ssl_fc_supported_versions_bin last_entity term_events waiting_entity sc0_key sc1_key sc2_key
	sc_key`

// laterConverters likewise.
const laterConverters = `
	aes_cbc_dec aes_cbc_enc eth.data eth.dst eth.hdr eth.proto eth.src eth.vlan ip.data ip.df
	ip.dst ip.fp ip.hdr ip.proto ip.src ip.tos ip.ttl ip.ver tcp.dst tcp.flags tcp.options.mss
	tcp.options.sack tcp.options.tsopt tcp.options.tsval tcp.options.wscale tcp.options.wsopt
	tcp.options_list tcp.seq tcp.src tcp.win fe_exists srv_is_up table_clr_gpc table_clr_gpc0
	table_clr_gpc1 table_inc_gpc table_inc_gpc0 table_inc_gpc1 base2 has_ctl le2dec reverse
	reverse_dom date`

// samples finds the row of a fetch or converter.
type samples struct {
	fetches, converters        map[string]*SampleRow
	fetchNames, converterNames []string
}

// sharedSamples builds the index once; nothing changes it afterwards.
var sharedSamples = sync.OnceValue(func() *samples {
	s := &samples{}
	s.fetches, s.fetchNames = indexRows(Fetches())
	s.converters, s.converterNames = indexRows(Converters())
	return s
})

func indexRows(rows []SampleRow) (index map[string]*SampleRow, names []string) {
	index = make(map[string]*SampleRow, len(rows))
	for i := range rows {
		index[rows[i].Name] = &rows[i]
		if rows[i].State != Refused {
			names = append(names, rows[i].Name)
		}
	}
	return index, names
}
