package importer

import "maps"

// Words are the words of a format, "ldirectord", "keepalived" or "heartbeat", with
// whether lvsd has the same: what it has not is told with a reason.
func Words(format string) map[string]bool {
	all := map[string]bool{}
	add := func(words lexicon) {
		for w, why := range words {
			all[w] = all[w] || why == ""
		}
	}
	switch format {
	case "ldirectord":
		all["virtual"], all["virtual6"] = true, true
		for w, x := range ldirectordWords {
			all[w] = x.tell == ""
		}
	case "heartbeat":
		add(haWords)
	case "keepalived":
		all["include"] = true
		for _, l := range []lexicon{keepalivedTop, keepalivedGlobal, keepalivedScript, keepalivedProcess, keepalivedFile, keepalivedGroup,
			keepalivedInstance, keepalivedServer, keepalivedReal, keepalivedURL} {
			add(l)
		}
		for l := range maps.Values(keepalivedChecks) {
			add(l)
		}
	}
	return all
}
