/* restore.c: billingctl restore check: what a restored database has lost. */
#include "billingctl/output.h"
#include "events/retention.h"
#include "issuing/revocation_list.h"
#include "issuing/revocation_restore.h"

enum { EXIT_BEHIND = 3 };

const struct ctl_exit restore_check_exits[] = {
        {EXIT_BEHIND, "the database was restored, and that is not resolved"},
        {0, NULL},
};

enum fail
run_restore_check(struct ctl *ctl)
{
	struct output output = output_new(ctl);
	struct revocation_list_figures figures;
	const struct lost_revocation *lost = NULL;
	int64_t raised;
	size_t count = 0;

	TRY(event_keep_clock(&ctl->operation, &raised));
	ctl->says_stored = ctl_option(ctl, "--done") != NULL;
	if (ctl->says_stored)
		TRY(revocation_restore_resolve(&ctl->operation));
	TRY(revocation_list_figures(&ctl->operation, &figures));
	if (figures.behind_since.known) {
		TRY(revocation_restore_list(&ctl->operation, &lost, &count));
		ctl->status = EXIT_BEHIND;
	}
	output_time(&output, "behind_since", figures.behind_since);
	output_list(&output, "lost");
	output_none(&output, "Nothing is lost.");
	for (size_t i = 0; i < count; i++) {
		output_row(&output);
		output_text(&output, "customer_id", lost[i].customer_id);
		output_text(&output, "jti", lost[i].jti);
		output_text(&output, "plan", lost[i].plan);
		output_text(&output, "status", lost[i].status);
	}
	output_list_end(&output);
	return output_print(&output);
}
