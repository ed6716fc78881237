/* repo/leftovers.h: half-made files that a killed process left in a worktree. */
#ifndef REPO_LEFTOVERS_H
#define REPO_LEFTOVERS_H

/* With the gate in hand, after a death inside it: the folder that a checkout prepared its files in, and files
 * of dead processes that were to be renamed into place, in the worktree and the folders right below it. "":
 * there is no worktree. */
void repo_leftovers_remove(const char *worktree);

#endif
