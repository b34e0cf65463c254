# Tests of the staff: `mailform test` runs them in memory, without a server.

run "plan_of_everything" {
  command = plan

  assert {
    condition     = length(user.staff) == length(csvdecode(file("staff.csv")))
    error_message = "Somebody in staff.csv has no user."
  }

  assert {
    condition     = alltrue([for person in user.staff : contains(["500MiB", "1GiB", "2GiB"], person.quota)])
    error_message = "A quota is none of those that we sell."
  }

  # Each domain says who may send from it, what becomes of the rest, and where its
  # mail goes.
  assert {
    condition = alltrue([
      for domain in [for r in plan.resources : r.values.name if r.kind == "maildomain"] :
      length([for text in plan.records[domain].TXT : text if startswith(text, "v=spf1 ")]) == 1 &&
      startswith(plan.records["_dmarc.${domain}"].TXT[0], "v=DMARC1; p=quarantine") &&
      length(plan.records[domain].MX) == 1
    ])
    error_message = "A domain lacks SPF, DMARC or MX."
  }
}

run "first_apply" {
  assert {
    condition     = plan.add > 1000 && plan.destroy == 0
    error_message = "The first apply makes everything."
  }

  # Known only after apply: the key is made then.
  assert {
    condition     = startswith(plan.records["s1._domainkey.example.org"].TXT[0], "v=DKIM1; k=rsa; p=")
    error_message = "The DKIM key is not in the zone."
  }

  assert {
    condition     = output.users == 1000
    error_message = "The output counts somebody else."
  }
}

run "nothing_changes_after_that" {
  command = plan

  assert {
    condition     = plan.add + plan.change + plan.destroy == 0
    error_message = "The second plan is not empty."
  }

  assert {
    condition     = run.first_apply.users == output.users
    error_message = "Somebody has come or gone."
  }
}
