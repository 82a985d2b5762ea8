# ROS 2 from Python wheels exports targets with include folders of the machine that built the
# wheels; CMake refuses to configure against a folder that does not exist. Including this file
# drops such folders from all imported targets once the directory has been configured, after
# rosidl's generators have found theirs. On an ordinary ROS nothing is dropped.

function(_anyview_drop_missing_includes)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    set(existing)
    foreach(folder IN LISTS folders)
      if(folder MATCHES "^\\$<" OR IS_DIRECTORY "${folder}")
        list(APPEND existing "${folder}")
      endif()
    endforeach()
    if(folders AND NOT "${existing}" STREQUAL "${folders}")
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${existing}")
    endif()
  endforeach()
endfunction()

cmake_language(DEFER CALL _anyview_drop_missing_includes)
